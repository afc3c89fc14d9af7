import { stringifyJson } from '../event/json.ts'
import { printable } from '../foundation/printable.ts'

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

/** A text as a cell of a table: white space is one space, and what a terminal would obey is made visible. */
export function onOneLine(text: string): string {
  return printable(text.replace(/\s+/g, ' ').trim())
}

/** The first `length` characters on one line. */
export function shorten(text: string, length: number): string {
  const line = onOneLine(text)
  return line.length <= length ? line : `${line.slice(0, length - 1)}…`
}

/** `2026-01-31 12:00:00`, in UTC. */
export function formatInstant(at: Date | null): string {
  return at === null ? '' : at.toISOString().slice(0, 19).replace('T', ' ')
}
