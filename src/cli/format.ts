import { stringifyJson } from '../event/json.ts'
import { printable } from '../printable.ts'

/** A value as indented JSON; big integers keep their digits. */
export function prettyJson(value: unknown): string {
  // stringifyJson knows big integers but no indentation: only a text without them can be parsed and indented.
  const text = stringifyJson(value)
  return hasBigInt(value) ? text : JSON.stringify(JSON.parse(text), null, 2)
}

function hasBigInt(value: unknown): boolean {
  if (typeof value === 'bigint') return true
  return typeof value === 'object' && value !== null && Object.values(value).some(hasBigInt)
}

/** Rows as columns with a title each, as wide as their widest cell. */
export function formatTable(titles: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const all = [titles, ...rows].map((row) => row.map(onOneLine))
  const widths = titles.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)))
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

/** A text as a cell of a table: white space is one space, and what a terminal would obey is made visible. */
export function onOneLine(text: string): string {
  return printable(text.replace(/\s+/g, ' ').trim())
}

/** The first `length` characters on one line. */
export function shorten(text: string, length: number): string {
  const line = onOneLine(text)
  return line.length <= length ? line : `${line.slice(0, length - 1)}…`
}

/** `1,234 events`, `1 event`. */
export function countOf(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}

/** Milliseconds for people: `250 ms`, `5.0 s`, `3 min`, `2 h`, `4 days`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`
  if (milliseconds < 3_600_000) return `${Math.round(milliseconds / 60_000)} min`
  if (milliseconds < 48 * 3_600_000) return `${Math.round(milliseconds / 3_600_000)} h`
  return `${Math.round(milliseconds / 86_400_000)} days`
}

/** `2026-01-31 12:00:00`, in UTC. */
export function formatInstant(at: Date | null): string {
  return at === null ? '' : at.toISOString().slice(0, 19).replace('T', ' ')
}
