import { FIELDS, ROW_FIELDS } from './fields.ts'

/** What may be written at a place of a filter: `text` in place of the characters from `from` to `to`. */
export interface FilterSuggestion {
  readonly text: string
  readonly hint: string
  readonly from: number
  readonly to: number
}

/** Values of fields that a program knows: the types, the backends. */
export type KnownValues = Readonly<Record<string, readonly string[]>>

const MOST = 10

/** What fits the word at the cursor, `at` characters from the start: fields, or values of its field. Pure. */
export function suggestFor(text: string, at: number, known: KnownValues = {}): readonly FilterSuggestion[] {
  const place = Math.max(0, Math.min(text.length, at))
  const before = text.slice(0, place)
  // An odd number of quotes: within one there is nothing to suggest.
  if ((before.match(/"/g) ?? []).length % 2 === 1) return []
  const from = before.search(/\S*$/)
  const to = place + (/^\S*/.exec(text.slice(place))?.[0].length ?? 0)
  const word = text.slice(from, place)
  const minus = word.startsWith('-') ? '-' : ''
  const [, name, values = ''] = /^-?([A-Za-z]+):(.*)$/.exec(word) ?? []
  if (name === undefined) {
    const sought = word.slice(minus.length).toLowerCase()
    const fields = {
      ...Object.fromEntries(Object.entries(FIELDS).map(([field, { hint }]) => [field, hint])),
      ...ROW_FIELDS,
    }
    return Object.entries(fields)
      .filter(([field]) => field.startsWith(sought))
      .slice(0, MOST + 10)
      .map(([field, hint]) => ({
        text: `${minus}${field}${Object.hasOwn(ROW_FIELDS, field) ? '.' : ':'}`,
        hint,
        from,
        to,
      }))
  }
  const field = name.toLowerCase()
  const all = [
    ...(Object.hasOwn(known, field) ? (known[field] ?? []) : []),
    ...((Object.hasOwn(FIELDS, field) && FIELDS[field]?.values) || []),
  ]
  const start = values.slice(0, values.lastIndexOf(',') + 1)
  const sought = values.slice(start.length).toLowerCase()
  const matching = all.filter((value) => value.toLowerCase().includes(sought) && value.toLowerCase() !== sought)
  // Words that begin with it come before words that contain it.
  matching.sort((a, b) => Number(b.toLowerCase().startsWith(sought)) - Number(a.toLowerCase().startsWith(sought)))
  return matching
    .slice(0, MOST)
    .map((value) => ({ text: `${minus}${name}:${start}${written(value)}`, hint: '', from, to }))
}

/** A value as a filter writes it, with its stars. */
function written(value: string): string {
  return /^[^\s,"]+$/.test(value) ? value : quoted(value)
}

/** A text in quotes, in which each character stands for itself. */
export function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}
