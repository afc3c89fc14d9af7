/** JSON as it is stored: digits, names and their order stay, and a name that stands twice is there twice. */
export type JsonNode =
  | { readonly kind: 'object'; readonly entries: readonly { readonly name: string; readonly node: JsonNode }[] }
  | { readonly kind: 'array'; readonly items: readonly JsonNode[] }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'word'; readonly text: string }

/** Nested deeper than this, data is shown as text: nobody unfolds so far. */
const DEEPEST = 200

const TOKEN = /\s*(?:([{}[\]:,])|("(?:[^"\\]|\\.)*")|([^\s{}[\]:,"]+))/y

/** Reads JSON without making numbers of digits; undefined = it is none, or is nested too deep. Pure. */
export function jsonTree(text: string): JsonNode | undefined {
  try {
    // It says whether the text is JSON at all; what follows need not ask.
    JSON.parse(text)
  } catch {
    return undefined
  }
  const tokens = new RegExp(TOKEN)
  const next = (): string => {
    const [, sign, string, word] = tokens.exec(text) ?? []
    return sign ?? string ?? word ?? ''
  }
  const read = (token: string, depth: number): JsonNode => {
    if (depth > DEEPEST) throw new RangeError('nested too deep')
    if (token === '{') {
      const entries: { readonly name: string; readonly node: JsonNode }[] = []
      for (let one = next(); one !== '}'; one = next()) {
        if (one === ',') continue
        next()
        entries.push({ name: JSON.parse(one) as string, node: read(next(), depth + 1) })
      }
      return { kind: 'object', entries }
    }
    if (token === '[') {
      const items: JsonNode[] = []
      for (let one = next(); one !== ']'; one = next()) if (one !== ',') items.push(read(one, depth + 1))
      return { kind: 'array', items }
    }
    if (token.startsWith('"')) return { kind: 'string', value: JSON.parse(token) as string }
    return { kind: /^[-\d]/.test(token) ? 'number' : 'word', text: token }
  }
  try {
    return read(next(), 0)
  } catch {
    return undefined
  }
}

/** The text again, a line for each value. Pure. */
export function jsonText(node: JsonNode, indent = ''): string {
  const deeper = `${indent}  `
  switch (node.kind) {
    case 'object': {
      if (node.entries.length === 0) return '{}'
      const lines = node.entries.map((one) => `${deeper}${JSON.stringify(one.name)}: ${jsonText(one.node, deeper)}`)
      return `{\n${lines.join(',\n')}\n${indent}}`
    }
    case 'array':
      if (node.items.length === 0) return '[]'
      return `[\n${node.items.map((one) => deeper + jsonText(one, deeper)).join(',\n')}\n${indent}]`
    case 'string':
      return JSON.stringify(node.value)
    default:
      return node.text
  }
}
