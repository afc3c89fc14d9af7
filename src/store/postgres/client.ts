import { BroadcasterError } from '../../errors.ts'
import type { StoreClients } from '../clients.ts'

/** A row as PostgreSQL wrote it: text, whatever type parsers the user has set. */
export type RawRow = Record<string, string | null>

/** What may be passed as `$1`; each goes to the server as text, so that SQL casts decide the type. */
export type SqlValue = string | number | boolean | null | readonly (string | number | null)[]

/**
 * What the store needs of a client library. Statements are unnamed and leave no session state, so a pool, PGlite and
 * PgBouncer in transaction mode all do.
 */
export interface Client {
  /**
   * Runs one statement by itself, within its limits on the server and here. A deadlock or a serialization failure is tried
   * again. `keep`: it is run often, each time with one plan for all values, which the server may keep for the connection.
   */
  query(text: string, values?: readonly SqlValue[], keep?: 'keep'): Promise<readonly RawRow[]>
  /** Runs statements of our own between BEGIN and COMMIT, within the same limits; rolls back when `work` throws. */
  transaction<T>(work: (tx: ClientTransaction) => Promise<T>): Promise<T>
  /** Runs queries that all see one state of the database, and can write nothing. Within the same limits. */
  snapshot<T>(work: (tx: Queries) => Promise<T>): Promise<T>
}

/** What runs one query after the other. */
export type Queries = Pick<Client, 'query'>

export interface ClientTransaction {
  /** Planned each time: `keep` counts for statements by themselves. */
  query(text: string, values?: readonly SqlValue[], keep?: 'keep'): Promise<readonly RawRow[]>
  /** Runs several statements without values. */
  script(text: string): Promise<void>
}

export type Clients = StoreClients<Client, Queries>

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

/** A value as a literal that means the same whatever `standard_conforming_strings` is. */
export function literal(value: SqlValue): string {
  const text = encodeValue(value)
  if (text === null) return 'NULL'
  const quoted = text.replaceAll("'", "''")
  return quoted.includes('\\') ? ` E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`
}

/** A statement with its values written in: text of ours, in which `$1` stands for nothing else. */
export function withValues(text: string, values: readonly SqlValue[]): string {
  if (values.length === 0) return text
  const literals = values.map(literal)
  // It would end the statement's text, and the server would give up the connection.
  if (literals.some((each) => each.includes('\0'))) {
    const message = 'a value contains U+0000, which no text of PostgreSQL can hold; leave it out'
    throw new BroadcasterError('INVALID_OPTION', message)
  }
  return text.replace(/\$(\d+)/g, (_all, n: string) => literals[Number(n) - 1] ?? 'NULL')
}
