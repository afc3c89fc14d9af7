/** What may be written into a statement; a list becomes its elements with commas between. */
export type SqlValue = string | number | boolean | null

/** A piece of a statement, ready to send. The client takes nothing else, so no value gets there unescaped. */
export class Sql {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/**
 * A statement with its values in it: sql`SELECT ${1} FROM ${t.events}`. The store's own statements are sent as text,
 * not prepared: lists differ in length, and each length would be a prepared statement on each connection.
 */
export function sql(strings: TemplateStringsArray, ...parts: readonly (SqlValue | Sql | readonly SqlValue[])[]): Sql {
  let text = strings[0] ?? ''
  for (const [n, part] of parts.entries()) text += textOf(part) + (strings[n + 1] ?? '')
  return new Sql(text)
}

/** Pieces one after the other: `join(conditions, ' AND ')`. The separator is SQL. */
export function join(pieces: readonly Sql[], separator: string): Sql {
  return new Sql(pieces.map(({ text }) => text).join(separator))
}

/**
 * Any text as hexadecimal digits: all values of a UNION's column need one collation, and a plain literal has the
 * connection's.
 */
export function hexText(value: string): Sql {
  return new Sql(hex(value))
}

/** The bytes of a text in UTF-8, whatever the character set and the collation of a column or a connection. */
export function utf8(text: SqlValue | Sql): Sql {
  return sql`CAST(CONVERT(${text} USING utf8mb4) AS BINARY)`
}

function hex(value: string): string {
  return `_utf8mb4 X'${Buffer.from(value).toString('hex')}'`
}

function textOf(part: SqlValue | Sql | readonly SqlValue[]): string {
  if (part instanceof Sql) return part.text
  if (typeof part === 'object' && part !== null) return part.map(literal).join(', ')
  return literal(part)
}

/** Printable ASCII without quote and backslash. */
const PLAIN = /^[ -&(-[\]-~]*$/

/**
 * A value as a literal that means the same in every `sql_mode` and in every character set of a connection: what a
 * quote or a backslash may stand for depends on NO_BACKSLASH_ESCAPES, so text with one goes as hexadecimal digits.
 */
function literal(value: SqlValue): string {
  if (value === null) return 'NULL'
  if (typeof value === 'boolean') return value ? 'TRUE' : 'FALSE'
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'NULL'
  return PLAIN.test(value) ? `'${value}'` : hex(value)
}
