import type { FilterOperator, TermValue } from './terms.ts'
import { textTest } from './text-test.ts'

const NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?$/
const INTEGER = /^-?\d+$/

/** A number as a filter writes it: exact, however long. Undefined: it is none. */
export function readNumber(text: string): number | bigint | undefined {
  if (!NUMBER.test(text)) return undefined
  const number = Number(text)
  return INTEGER.test(text) && !Number.isSafeInteger(number) ? BigInt(text) : number
}

/** What is at a path of some JSON: `.items[0].sku`; undefined = nothing. Pure. */
export function valueAt(root: unknown, path: string): unknown {
  let at = root
  for (const [, name, place] of path.matchAll(/\.([\w$-]+)|\[(\d+)\]/g)) {
    const step = name ?? place ?? ''
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined
    at = (at as Readonly<Record<string, unknown>>)[step]
  }
  return at
}

/**
 * Whether a value of some JSON is what a filter says: a text (with `*`), a number, `true`, `false`, `null`; compared by size with a
 * number, or with a text as texts sort. A list fits when one of its elements does. Pure.
 */
export function valueTest({ operator, text, quoted }: TermValue): (value: unknown) => boolean {
  const number = quoted ? undefined : readNumber(text)
  const pattern = textTest({ text, quoted })
  const one = (value: unknown): boolean => {
    if (value === undefined || (typeof value === 'object' && value !== null))
      return !quoted && text === '*' && value !== undefined
    if (operator !== '') {
      if (number !== undefined) return isNumber(value) && compares(value, operator, number)
      return typeof value === 'string' && compares(value, operator, text)
    }
    if (isNumber(value) && number !== undefined) return !(value < number) && !(value > number)
    if (typeof value === 'string') return pattern.fits(value)
    return !quoted && (text === '*' || text === String(value))
  }
  return (value) => (Array.isArray(value) ? value.some(one) || (text === '*' && !quoted) : one(value))
}

function isNumber(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint'
}

/** `bigint`s and numbers compare with one another exactly. */
export function compares<Value extends number | bigint | string>(
  one: Value,
  operator: FilterOperator,
  other: Value,
): boolean {
  switch (operator) {
    case '<':
      return one < other
    case '<=':
      return one <= other
    case '>':
      return one > other
    case '>=':
      return one >= other
    default:
      return one === other
  }
}
