/** A row as PostgreSQL wrote it: text, whatever type parsers the user has set. */
export type RawRow = Record<string, string | null>

/** What may be passed as `$1`; each goes to the server as text, so that SQL casts decide the type. */
export type SqlValue = string | number | boolean | null | readonly (string | number | null)[]

/**
 * What the store needs of a client library. Statements are unnamed and leave no session state, so a pool, PGlite and
 * PgBouncer in transaction mode all do.
 */
export interface Client {
  /** Runs one statement by itself. A deadlock or a serialization failure is tried again. */
  query(text: string, values?: readonly SqlValue[]): Promise<readonly RawRow[]>
  /**
   * Runs `work` between BEGIN and COMMIT; rolls back when it throws. Throws `TRANSACTION_ABORTED` when the commit
   * turned out to be a rollback.
   */
  transaction<T>(work: (tx: ClientTransaction) => Promise<T>): Promise<T>
  /** Closes what the store opened. Idempotent. */
  close(): Promise<void>
}

export interface ClientTransaction {
  /** The library's own transaction, for user code. */
  readonly native: unknown
  query(text: string, values?: readonly SqlValue[]): Promise<readonly RawRow[]>
  /** Runs several statements without values. */
  script(text: string): Promise<void>
}

/** A value as the text that PostgreSQL reads. */
export function encodeValue(value: SqlValue): string | null {
  if (value === null) return null
  if (typeof value === 'object') return `{${value.map(encodeElement).join(',')}}`
  return String(value)
}

const PLAIN = /^[0-9A-Za-z_-]+$/

function encodeElement(value: string | number | null): string {
  if (value === null) return 'NULL'
  if (typeof value === 'number') return String(value)
  // "null" unquoted would be NULL.
  if (PLAIN.test(value) && value.length !== 4) return value
  return `"${value.replace(/["\\]/g, '\\$&')}"`
}
