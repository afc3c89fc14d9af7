/** The dialect of a store; a transaction adapter must speak the same. */
export type Dialect = 'postgres' | 'mysql' | 'sqlite' | 'memory'

/**
 * One statement as a tagged template gives it: `strings` is one longer than `values`. An adapter joins them with its
 * library's placeholders; no SQL is ever parsed.
 */
export interface Statement {
  /** The SQL around the values. */
  readonly strings: readonly string[]
  /** The values between the strings, in their order. */
  readonly values: readonly unknown[]
  /**
   * `reads`: it changes nothing, so it does no harm where the transaction has ended, and the server need not be asked
   * first whether that is still open.
   */
  readonly effect?: 'reads'
  /**
   * One of a few texts that run often: an adapter may have the server keep its plan, where its library can and the
   * session is the caller's own. Planning is most of its cost.
   */
  readonly keep?: true
}

/** A row that a statement returned, by column name. */
export type Row = Readonly<Record<string, unknown>>

/** Joins a statement with placeholders: `join(s, (n) => `$${n}`)`, where n counts from 1. */
export function joinStatement(statement: Statement, placeholder: (n: number) => string): string {
  let text = statement.strings[0] ?? ''
  for (let n = 1; n < statement.strings.length; n++) text += placeholder(n) + (statement.strings[n] ?? '')
  return text
}

/** Texts of statements to be kept, by their strings. */
const kept = new WeakMap<readonly string[], string>()

/**
 * A statement with PostgreSQL's placeholders, `$1` and so on. One to be kept is the same text each time: to join it anew, and to
 * hash and compare it where it is looked up, took 6 of the 29 us of a publish in this process.
 */
export function numberedText(statement: Statement): string {
  const { strings, keep } = statement
  const known = keep === true ? kept.get(strings) : undefined
  if (known !== undefined) return known
  const text = joinStatement(statement, (n) => `$${n}`)
  if (keep === true) kept.set(strings, text)
  return text
}
