import { randomUUID } from 'node:crypto'
import { BroadcasterError } from '../errors.ts'
import { skipString } from './json-members.ts'

declare global {
  interface JSON {
    /** ECMAScript "JSON.parse source text access": a value that `stringify` writes as `text`, untouched. */
    rawJSON(text: string): unknown
  }
}

type SourceReviver = (this: unknown, key: string, value: unknown, context: { readonly source?: string }) => unknown

const LONG_DIGITS = /\d{16}/
const INTEGER = /^-?\d+$/
/** Where a string or a number of a JSON text begins. */
const BEGINNING = /["\d-]/g
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y

/** Integers that a `number` cannot hold exactly come back as `bigint`, so that no digit is ever lost. */
const exactIntegers: SourceReviver = (_key, value, context) =>
  typeof value === 'number' &&
  !Number.isSafeInteger(value) &&
  context.source !== undefined &&
  INTEGER.test(context.source)
    ? BigInt(context.source)
    : value

/** What a parser says is wrong, without what it quotes of the text: a message may hold secrets. */
export function jsonProblem(error: unknown): string {
  return String(error).replace(/, (?:\.\.\.)?".*"(?:\.\.\.)? is not valid JSON$/s, '')
}

/** Parses JSON; integers beyond 2^53 become `bigint`. Throws `SyntaxError` as `JSON.parse` does. */
export function parseJson(text: string): unknown {
  // A reviver makes parsing about four times slower: only texts that can hold such a number pay for it.
  if (!LONG_DIGITS.test(text)) return JSON.parse(text)
  try {
    return JSON.parse(text, exactIntegers as (this: unknown, key: string, value: unknown) => unknown)
  } catch (error) {
    // Revivers are called recursively, so some thousand nested brackets exhaust the stack. Plain parsing has no such
    // limit.
    if (error instanceof RangeError) return parseDeepJson(text)
    throw error
  }
}

/** Parses JSON of any depth: integers that are too long go through the parser as marked strings. */
function parseDeepJson(text: string): unknown {
  const mark = `${randomUUID()}:`
  const root: Record<string, unknown> = { value: JSON.parse(markIntegers(text, mark)) }
  const open = [root]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const [key, value] of Object.entries(at)) {
      if (typeof value === 'object' && value !== null) open.push(value as Record<string, unknown>)
      else if (typeof value === 'string' && value.startsWith(mark)) at[key] = BigInt(value.slice(mark.length))
    }
  }
  return root['value']
}

/** The text of valid JSON with each integer that a number cannot hold as a string after `mark`. */
function markIntegers(text: string, mark: string): string {
  let marked = ''
  let copied = 0
  BEGINNING.lastIndex = 0
  for (let found = BEGINNING.exec(text); found !== null; found = BEGINNING.exec(text)) {
    const { index } = found
    if (found[0] === '"') {
      BEGINNING.lastIndex = skipString(text, index)
      continue
    }
    NUMBER.lastIndex = index
    const [token = ''] = NUMBER.exec(text) ?? []
    BEGINNING.lastIndex = index + token.length
    if (!INTEGER.test(token) || Number.isSafeInteger(Number(token))) continue
    marked += `${text.slice(copied, index)}"${mark}${token}"`
    copied = index + token.length
  }
  return marked + text.slice(copied)
}

/** Writes JSON; a `bigint` is written with all its digits. Throws `INVALID_DATA` for what JSON cannot hold. */
export function stringifyJson(value: unknown, field = 'data'): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch {
    // A bigint anywhere makes the plain call throw; so does a cycle, which throws again below.
    try {
      text = JSON.stringify(value, (_key, inner: unknown) =>
        typeof inner === 'bigint' ? JSON.rawJSON(inner.toString()) : inner,
      )
    } catch (cause) {
      throw new BroadcasterError('INVALID_DATA', `${field} cannot be written as JSON: ${String(cause)}`, {
        field,
        cause,
      })
    }
  }
  if (text === undefined) {
    throw new BroadcasterError('INVALID_DATA', `${field} cannot be written as JSON: it is a ${typeof value}`, { field })
  }
  return text
}
