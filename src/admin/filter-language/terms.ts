/** A mistake in a filter: the characters from `at` to `end` (from 0), and what is wrong with the cure. */
export interface FilterMistake {
  readonly at: number
  readonly end: number
  readonly message: string
}

/** How a value compares; empty: it is one of those that may be. */
export type FilterOperator = '' | '<' | '<=' | '>' | '>='

/** One value of a term. */
export interface TermValue {
  readonly operator: FilterOperator
  /** Without its quotes. */
  readonly text: string
  /** In quotes each character stands for itself. */
  readonly quoted: boolean
  readonly at: number
  readonly end: number
}

/** One condition of a filter: a field and its values, or words alone. */
export interface FilterTerm {
  readonly negated: boolean
  /** Empty: words that are looked for. */
  readonly field: string
  /** What follows `data` or `ext`: `.card.number`; empty = nothing. */
  readonly path: string
  readonly values: readonly TermValue[]
  readonly at: number
  readonly end: number
}

/** A filter has at most this many characters, and at most this many terms. */
export const LONGEST_FILTER = 2_000
export const MOST_TERMS = 50

const NAME = /(-?)([A-Za-z][\w-]*)((?:\.[\w$-]+|\[\d+\])*):/y
const OPERATOR = /[<>]=?/y
/** An unquoted one ends at a space or a comma. */
const PLAIN = /[^\s,"]+/y
const QUOTED = /"((?:[^"\\]|\\.)*)"/y
const SPACE = /\s*/y

/** The terms of a filter, or the first mistake. Pure. */
export function readTerms(text: string): readonly FilterTerm[] | FilterMistake {
  if (text.length > LONGEST_FILTER) {
    return {
      at: LONGEST_FILTER,
      end: text.length,
      message: `a filter has at most ${LONGEST_FILTER} characters; cut it`,
    }
  }
  const zero = text.indexOf('\0')
  if (zero >= 0) return { at: zero, end: zero + 1, message: 'this character (U+0000) is in no event; delete it' }
  const terms: FilterTerm[] = []
  for (let at = match(SPACE, text, 0)?.end ?? 0; at < text.length; at = match(SPACE, text, at)?.end ?? at) {
    const term = readTerm(text, at)
    if ('message' in term) return term
    if (terms.push(term) > MOST_TERMS) {
      return { at: term.at, end: term.end, message: `a filter has at most ${MOST_TERMS} terms; leave some out` }
    }
    at = term.end
  }
  return terms
}

/** Whether what was read is a mistake. */
export function isMistake(read: object): read is FilterMistake {
  return 'message' in read
}

function readTerm(text: string, at: number): FilterTerm | FilterMistake {
  const named = match(NAME, text, at)
  if (named === undefined) {
    // A minus before a word or a quote; alone it is a word.
    const negated = text[at] === '-' && /\S/.test(text[at + 1] ?? '')
    const value = readValue(text, negated ? at + 1 : at, false)
    if ('message' in value) return value
    return { negated, field: '', path: '', values: [value], at, end: value.end }
  }
  const [, minus, field = '', path = ''] = named.found
  const values: TermValue[] = []
  let next = named.end
  do {
    const value = readValue(text, next, true)
    if ('message' in value) return value
    values.push(value)
    next = value.end + 1
  } while (text[next - 1] === ',')
  return { negated: minus === '-', field: field.toLowerCase(), path, values, at, end: next - 1 }
}

function readValue(text: string, from: number, compares: boolean): TermValue | FilterMistake {
  const sign = compares ? match(OPERATOR, text, from) : undefined
  const operator = (sign?.found[0] ?? '') as FilterOperator
  const at = sign?.end ?? from
  if (text[at] === '"') {
    const quoted = match(QUOTED, text, at)
    if (quoted === undefined) {
      return { at, end: text.length, message: 'this quote has no end; write a " at the end of the text' }
    }
    const follows = text[quoted.end]
    if (follows !== undefined && !/[\s,]/.test(follows)) {
      return { at: quoted.end, end: quoted.end + 1, message: 'a space is missing after the quote; write one' }
    }
    const inner = (quoted.found[1] ?? '').replace(/\\(.)/g, '$1')
    return { operator, text: inner, quoted: true, at: from, end: quoted.end }
  }
  // A word that is looked for may have commas.
  const plain = match(compares ? PLAIN : /[^\s"]+/y, text, at)
  if (plain === undefined) {
    const message =
      text[at] === ','
        ? 'a value is missing before the comma; write one'
        : 'a value is missing here; write one, or "" for an empty one'
    return { at: from, end: Math.max(at, from + 1), message }
  }
  if (text[plain.end] === '"') {
    return {
      at: plain.end,
      end: plain.end + 1,
      message: 'a quote stands within a word; put the whole text in quotes, and write \\" for one in it',
    }
  }
  return { operator, text: plain.found[0] ?? '', quoted: false, at: from, end: plain.end }
}

function match(
  pattern: RegExp,
  text: string,
  at: number,
): { readonly found: RegExpExecArray; readonly end: number } | undefined {
  pattern.lastIndex = at
  const found = pattern.exec(text)
  return found === null ? undefined : { found, end: pattern.lastIndex }
}
