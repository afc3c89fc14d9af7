import { BroadcasterError, type ErrorCode } from '../errors.ts'
import { innerErrors, memberOf } from '../foundation/inner-errors.ts'
import type { Dialect, Statement } from './statement.ts'

/** What a database error may mean to the caller of the statement. */
export type DatabaseErrorCode = Extract<
  ErrorCode,
  | 'TRANSACTION_CONFLICT'
  | 'TRANSACTION_ABORTED'
  | 'STORE_BUSY'
  | 'STORE_UNAVAILABLE'
  | 'STORE_READ_ONLY'
  | 'STORE_FAILED'
  | 'PERMISSION_DENIED'
  | 'DATABASE_MISSING'
  | 'SCHEMA_MISSING'
  | 'SCHEMA_OUTDATED'
  | 'EVENT_TOO_LARGE'
>

type Table = Readonly<Partial<Record<DatabaseErrorCode, readonly string[]>>>

/** SQLSTATEs of PostgreSQL. A class (two characters) covers those that are not listed. */
const POSTGRES: Table = {
  TRANSACTION_CONFLICT: ['40', '40001', '40P01'],
  TRANSACTION_ABORTED: ['25P02'],
  // Lock not available, cancelled or timed out, no memory, no disk, too many connections, a lost prepared statement.
  STORE_BUSY: ['55P03', '57014', '53', '25P03', '25P04', '26000'],
  STORE_UNAVAILABLE: ['08', '57'],
  STORE_READ_ONLY: ['25006'],
  PERMISSION_DENIED: ['42501', '28'],
  DATABASE_MISSING: ['3D'],
  SCHEMA_MISSING: ['42P01', '3F'],
  SCHEMA_OUTDATED: ['42703', '42883'],
  EVENT_TOO_LARGE: ['54000'],
}

/** Error numbers of MySQL and MariaDB; from 45,000 on they are the client `mariadb`'s. */
const MYSQL: Table = {
  TRANSACTION_CONFLICT: ['1213', '1020', '3101', '1614'],
  // Lock wait, memory, disk, connections, interrupted or timed out.
  STORE_BUSY: [
    '1205',
    '1021',
    '1037',
    '1038',
    '1040',
    '1041',
    '1114',
    '1203',
    '1226',
    '1317',
    '1969',
    '3024',
    '3100',
    '3572',
    '45028',
  ],
  STORE_UNAVAILABLE: [
    ...[
      '1053',
      '1077',
      '1079',
      '1080',
      '1152',
      '1158',
      '1159',
      '1160',
      '1161',
      '1184',
      '1927',
      '4031',
      '2006',
      '2013',
      '1047',
      '3032',
      '3098',
      '3168',
    ],
    ...['45009', '45012', '45013', '45026', '45027', '45042', '45044'],
  ],
  STORE_READ_ONLY: ['1290', '1792', '1836'],
  PERMISSION_DENIED: ['1044', '1045', '1142', '1143', '1227', '1370', '1698'],
  DATABASE_MISSING: ['1049', '1046'],
  SCHEMA_MISSING: ['1146'],
  SCHEMA_OUTDATED: ['1054', '1176'],
  EVENT_TOO_LARGE: ['1153', '1162', '1301'],
}

/** Primary result codes of SQLite, as numbers and as the names that some libraries give. */
const SQLITE: Table = {
  TRANSACTION_CONFLICT: ['517', 'SQLITE_BUSY_SNAPSHOT'],
  STORE_BUSY: ['5', '6', 'SQLITE_BUSY', 'SQLITE_LOCKED'],
  STORE_UNAVAILABLE: ['10', '13', '14', 'SQLITE_IOERR', 'SQLITE_FULL', 'SQLITE_CANTOPEN'],
  STORE_READ_ONLY: ['8', 'SQLITE_READONLY'],
  PERMISSION_DENIED: ['3', '23', 'SQLITE_PERM', 'SQLITE_AUTH'],
  EVENT_TOO_LARGE: ['18', 'SQLITE_TOOBIG'],
}

/** Clients' codes about the connection, and Prisma's about any database. */
const CLIENT: Table = {
  TRANSACTION_CONFLICT: ['P2034', 'TransactionWriteConflict'],
  STORE_BUSY: ['P2024', 'P1008', 'TooManyConnections', 'SocketTimeout'],
  STORE_UNAVAILABLE: [
    ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH'],
    ...['ENETUNREACH', 'PROTOCOL_CONNECTION_LOST', 'CONNECTION_CLOSED', 'CONNECTION_ENDED', 'CONNECTION_DESTROYED'],
    ...['CONNECT_TIMEOUT', 'P1001', 'P1002', 'P1017', 'DatabaseNotReachable', 'ConnectionClosed'],
  ],
  PERMISSION_DENIED: ['P1000', 'P1010', 'DatabaseAccessDenied', 'AuthenticationFailed'],
  DATABASE_MISSING: ['P1003', 'DatabaseDoesNotExist'],
  SCHEMA_MISSING: ['P2021', 'TableDoesNotExist'],
  SCHEMA_OUTDATED: ['P2022', 'ColumnNotFound'],
}

/** What it means, and what to do. */
const SAID: Readonly<Record<DatabaseErrorCode, readonly [what: string, cure: string]>> = {
  TRANSACTION_CONFLICT: ['the transaction lost a race with another', 'roll back and run it again from its beginning'],
  TRANSACTION_ABORTED: ['the transaction was aborted by an earlier error', 'roll back, to a savepoint or completely'],
  STORE_BUSY: ['the database could not do it just now', 'roll back and run the transaction again'],
  STORE_UNAVAILABLE: [
    'the database cannot be reached, or has cut the connection',
    'run the transaction again when it is back',
  ],
  STORE_READ_ONLY: [
    'this database only reads, or this transaction does',
    'use the server that writes, and a transaction that is not READ ONLY',
  ],
  STORE_FAILED: [
    'the database refused the statement',
    'see what it says; if the outbox is outdated, run `broadcaster migrate`',
  ],
  PERMISSION_DENIED: [
    'this user of the database may not do that',
    'log in with the right user, or grant what it lacks',
  ],
  DATABASE_MISSING: ['there is no such database', 'correct its name in the url, or create it'],
  SCHEMA_MISSING: [
    'there is no outbox here',
    'run `broadcaster migrate`, or correct `table` and `schema` of the store',
  ],
  SCHEMA_OUTDATED: ['the outbox is outdated', 'run `broadcaster migrate`'],
  EVENT_TOO_LARGE: ['the statement is too large for the database', 'write less at once, or raise its limit'],
}

const BY_CODE: Readonly<Record<Dialect, ReadonlyMap<string, DatabaseErrorCode>>> = {
  postgres: byCode(POSTGRES),
  mysql: byCode(MYSQL),
  sqlite: byCode(SQLITE),
  memory: new Map(),
}
const BY_CLIENT_CODE = byCode(CLIENT)

/**
 * Where codes are found: PostgreSQL's SQLSTATE in `code`, MySQL's `errno`, SQLite's `errcode`, Prisma's `originalCode`.
 */
const CODE_MEMBERS = ['code', 'errno', 'errcode', 'rawCode', 'originalCode', 'kind'] as const

/** Bugs in a program, not errors of a database. */
const PROGRAM_ERRORS = [TypeError, RangeError, SyntaxError, ReferenceError]

/**
 * What a database error means, whichever library threw it: a `BroadcasterError` with that error as its cause. Decided
 * by the codes in it and in the errors inside it, never by its text. One of ours is returned as it is; one without a
 * server's code is the connection's: unavailable.
 */
export function databaseError(dialect: Dialect, error: unknown, statement?: Statement): BroadcasterError {
  if (error instanceof BroadcasterError) return error
  const { code, driver } = classify(dialect, error)
  return errorOf(code, driver, error, statement)
}

/** Whether an error is ours or has a code of the database or its connection; a library's own errors have none. */
export function isFromDatabase(dialect: Dialect, error: unknown): boolean {
  if (error instanceof BroadcasterError || codeWithin(dialect, error)) return true
  return innerErrors(error).some((each) => hasServerCode(dialect, each))
}

/** The error when the outbox is missing, where the driver's error does not say so. */
export function schemaMissing(error: unknown, statement?: Statement): BroadcasterError {
  return errorOf('SCHEMA_MISSING', innerErrors(error).at(-1), error, statement)
}

function errorOf(
  code: DatabaseErrorCode,
  driver: unknown,
  cause: unknown,
  statement: Statement | undefined,
): BroadcasterError {
  const [what, cure] = SAID[code]
  const said = textOf(driver, statement)
  return new BroadcasterError(code, `${what}${said === '' ? '' : ` (${said})`}; ${cure}`, { cause })
}

/**
 * Whether the transaction may simply be run again: a lost race, a lock, a server that was down. For a retry loop around
 * your own transaction, with any library: it knows our errors and those of the databases.
 */
export function isRetryable(error: unknown): boolean {
  for (const each of innerErrors(error)) {
    if (each instanceof BroadcasterError) return each.retryable
  }
  return (['postgres', 'mysql', 'sqlite'] as const).some((dialect) => {
    const found = codeWithin(dialect, error)
    return found !== undefined && RETRYABLE.has(found.code)
  })
}

const RETRYABLE: ReadonlySet<DatabaseErrorCode> = new Set(['TRANSACTION_CONFLICT', 'STORE_BUSY', 'STORE_UNAVAILABLE'])

interface Found {
  readonly code: DatabaseErrorCode
  /** The error that has the code. */
  readonly driver: unknown
}

function classify(dialect: Dialect, error: unknown): Found {
  const found = codeWithin(dialect, error)
  if (found) return found
  const driver = innerErrors(error).at(-1) ?? error
  const isServers = dialect === 'postgres' || dialect === 'mysql'
  const isPrograms = PROGRAM_ERRORS.some((kind) => error instanceof kind)
  const unknown = !isServers || isPrograms || innerErrors(error).some((each) => hasServerCode(dialect, each))
  return { code: unknown ? 'STORE_FAILED' : 'STORE_UNAVAILABLE', driver }
}

function codeWithin(dialect: Dialect, error: unknown): Found | undefined {
  const errors = innerErrors(error).toReversed()
  for (const meaning of [(code: unknown) => serverMeaning(dialect, code), clientMeaning]) {
    for (const driver of errors) {
      for (const name of CODE_MEMBERS) {
        const code = meaning(memberOf(driver, name))
        if (code !== undefined) return { code, driver }
      }
    }
  }
  return undefined
}

function serverMeaning(dialect: Dialect, code: unknown): DatabaseErrorCode | undefined {
  if (typeof code !== 'string' && typeof code !== 'number') return undefined
  const table = BY_CODE[dialect]
  const exact = table.get(String(code))
  if (exact !== undefined) return exact
  if (dialect === 'postgres') return isSqlState(code) ? table.get(code.slice(0, 2)) : undefined
  // An extended result code of SQLite has the primary one in its low byte, or before its second underscore.
  if (dialect !== 'sqlite') return undefined
  if (typeof code === 'number') return code > 0xff ? table.get(String(code & 0xff)) : undefined
  return table.get(code.split('_').slice(0, 2).join('_'))
}

function clientMeaning(code: unknown): DatabaseErrorCode | undefined {
  return typeof code === 'string' ? BY_CLIENT_CODE.get(code) : undefined
}

/** Whether the server itself answered: then it can be reached. */
function hasServerCode(dialect: Dialect, error: unknown): boolean {
  if (dialect === 'postgres') return ['code', 'originalCode'].some((name) => isSqlState(memberOf(error, name)))
  const number = Number(memberOf(error, 'errno') ?? memberOf(error, 'originalCode'))
  return Number.isInteger(number) && number >= 1_000
}

function isSqlState(code: unknown): code is string {
  // System error codes such as EPIPE look similar, but begin with E and a letter. Prisma's begin with P, but never P0,
  // the class that RAISE in a trigger gives.
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !/^(E[A-Z]|P[1-9])/.test(code)
}

/** The driver's message on one line, without the statement that Knex prepends with ` - `. */
function textOf(error: unknown, statement: Statement | undefined): string {
  const said = ['sqlMessage', 'message', 'originalMessage'].map((name) => memberOf(error, name))
  const all = [...said, error].find((text) => typeof text === 'string') ?? ''
  const text = statement?.strings[0]?.trim() ?? ''
  const repeats = text !== '' && all.trimStart().startsWith(text)
  const line = (repeats ? all.slice(all.lastIndexOf(' - ') + 3) : all).replaceAll(/\s+/g, ' ').trim()
  return line.length > 300 ? `${line.slice(0, 297)}...` : line
}

function byCode(table: Table): ReadonlyMap<string, DatabaseErrorCode> {
  const entries = Object.entries(table) as [DatabaseErrorCode, readonly string[]][]
  return new Map(entries.flatMap(([meaning, codes]) => codes.map((code) => [code, meaning] as const)))
}
