import { BroadcasterError } from '../errors.ts'

declare global {
  interface JSON {
    /** ECMAScript "JSON.parse source text access": a value that `stringify` writes as `text`, untouched. */
    rawJSON(text: string): unknown
  }
}

type SourceReviver = (this: unknown, key: string, value: unknown, context: { readonly source?: string }) => unknown

const LONG_DIGITS = /\d{16}/
const INTEGER = /^-?\d+$/

/** Integers that a `number` cannot hold exactly come back as `bigint`, so that no digit is ever lost. */
const exactIntegers: SourceReviver = (_key, value, context) =>
  typeof value === 'number' &&
  !Number.isSafeInteger(value) &&
  context.source !== undefined &&
  INTEGER.test(context.source)
    ? BigInt(context.source)
    : value

/** Parses JSON; integers beyond 2^53 become `bigint`. Throws `SyntaxError` as `JSON.parse` does. */
export function parseJson(text: string): unknown {
  // A reviver makes parsing about four times slower: only texts that can hold such a number pay for it.
  if (!LONG_DIGITS.test(text)) return JSON.parse(text)
  return JSON.parse(text, exactIntegers as (this: unknown, key: string, value: unknown) => unknown)
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
