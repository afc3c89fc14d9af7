/**
 * The members of a JSON object with the text of each value, cut out and not changed: numbers keep their digits and
 * objects the order of their keys. Of a repeated name the last counts, as for `JSON.parse`. Throws `SyntaxError`
 * unless the text is valid JSON; undefined when it is not an object.
 */
export function jsonMembers(text: string): Map<string, string> | undefined {
  JSON.parse(text)
  let at = skipSpace(text, 0)
  if (text[at] !== '{') return undefined
  const members = new Map<string, string>()
  at = skipSpace(text, at + 1)
  while (text[at] === '"') {
    const nameEnd = skipString(text, at)
    const name = JSON.parse(text.slice(at, nameEnd)) as string
    const start = skipSpace(text, skipSpace(text, nameEnd) + 1)
    const end = skipValue(text, start)
    members.set(name, text.slice(start, end))
    at = skipSpace(text, skipSpace(text, end) + 1)
  }
  return members
}

/** The elements of a JSON array, each as its own text. Throws `SyntaxError`; undefined when it is not an array. */
export function jsonElements(text: string): string[] | undefined {
  JSON.parse(text)
  let at = skipSpace(text, 0)
  if (text[at] !== '[') return undefined
  const elements: string[] = []
  at = skipSpace(text, at + 1)
  while (at < text.length && text[at] !== ']') {
    const end = skipValue(text, at)
    elements.push(text.slice(at, end))
    at = skipSpace(text, end)
    if (text[at] === ',') at = skipSpace(text, at + 1)
  }
  return elements
}

// The text is known to be valid JSON from here on, so only strings and nesting need care.

function skipSpace(text: string, from: number): number {
  let at = from
  while (at < text.length && ' \t\n\r'.includes(text.charAt(at))) at++
  return at
}

/** Where a string of valid JSON ends that begins at `from`. */
export function skipString(text: string, from: number): number {
  let at = from + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

function skipValue(text: string, from: number): number {
  let at = from
  let depth = 0
  do {
    const character = text.charAt(at)
    if (character === '"') at = skipString(text, at)
    else if (character === '{' || character === '[') {
      depth++
      at++
    } else if (character === '}' || character === ']') {
      depth--
      at++
    } else if (depth > 0) at++
    else while (at < text.length && !',}] \t\n\r'.includes(text.charAt(at))) at++
  } while (depth > 0)
  return at
}
