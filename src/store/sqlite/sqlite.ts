import { BroadcasterError } from '../../errors.ts'
import { requireObject } from '../../problem.ts'
import { joinStatement } from '../statement.ts'
import type { Store } from '../store.ts'
import { sqliteAdmin } from './admin.ts'
import { sqliteCoordination } from './coordination.ts'
import { Database } from './database.ts'
import { findDuplicate, findDuplicateText, found } from './find-duplicate.ts'
import { inboxTexts, sqliteInbox } from './inbox.ts'
import { BYTES_PER_INSERT, insert, inserted, insertText } from './insert.ts'
import { type InjectedDatabase, pathOf } from './path.ts'
import { sqliteRelay } from './relay.ts'
import { sqliteSchema } from './schema/schema.ts'
import { type SqliteTransaction, sqliteTransaction } from './sqlite-transaction.ts'
import { tableIsThere, tablesOf } from './tables.ts'
import { sqliteWake } from './wake.ts'

export type { InjectedDatabase } from './path.ts'
export type { SqliteTransaction } from './sqlite-transaction.ts'

export interface SqliteOptions {
  /** The file; made when it is not there. Either this or `database`. */
  readonly path?: string
  /** A database that the application opened; the store opens the same file over connections of its own. */
  readonly database?: InjectedDatabase
  /** The events table; the others are named after it. Default: `outbox_events`. */
  readonly table?: string
  /**
   * What a commit of the store waits for: `normal` survives the crash of the process, and a power cut but for the
   * last moments; `full` survives both. Default: `normal`.
   */
  readonly synchronous?: 'normal' | 'full'
  /** How long to wait for a lock before `STORE_BUSY`, in milliseconds. Default: 5000. */
  readonly busyTimeout?: number
}

/**
 * The outbox in a SQLite file, through `node:sqlite`. Opens the file at first use, and closes only what it opened.
 * Waiting for a lock never blocks the event loop. Throws `INVALID_OPTION`, also for a database in memory.
 *
 * @example
 * const store = sqlite({ path: 'shop.db' })
 * await store.schema.migrate()
 */
export function sqlite(options: SqliteOptions): Store<SqliteTransaction> {
  requireObject('sqlite()', options)
  const path = pathOf(options)
  const { table = 'outbox_events', synchronous = 'normal', busyTimeout = 5000 } = options
  const t = tablesOf(table)
  if (synchronous !== 'normal' && synchronous !== 'full') {
    throw new BroadcasterError('INVALID_OPTION', `synchronous is "${synchronous}"; give "normal" or "full"`, {
      field: 'synchronous',
      value: synchronous,
    })
  }
  if (!Number.isFinite(busyTimeout) || busyTimeout < 0) {
    throw new BroadcasterError('INVALID_OPTION', `busyTimeout is ${busyTimeout}; give milliseconds, 0 or more`, {
      field: 'busyTimeout',
      value: busyTimeout,
    })
  }
  const insertStrings = insertText(t)
  const findStrings = findDuplicateText(t)
  const texts = [insertStrings, findStrings, ...inboxTexts(t)]
  const ours = new Set(texts.map((strings) => joinStatement({ strings, values: [] }, () => '?')))
  const database = new Database({ path, synchronous, busyTimeout, ours })
  const wake = sqliteWake(database)
  return {
    dialect: 'sqlite',
    description: `sqlite ${table} in ${path}`,
    transactionAdapter: sqliteTransaction(),
    publish: {
      insert: (rows) => insert(insertStrings, rows),
      bytesPerInsert: BYTES_PER_INSERT,
      inserted,
      isThere: tableIsThere(t.events),
      findDuplicate: (row) => findDuplicate(findStrings, row),
      found,
    },
    relay: sqliteRelay(database, t),
    coordination: sqliteCoordination(database, t, wake.notify),
    admin: sqliteAdmin(database, t, wake.notify),
    inbox: sqliteInbox(database, t),
    schema: sqliteSchema(database, t),
    wake,
    transaction: (work) => database.transaction(async (tx) => ({ commit: true, value: await work(tx) })),
    close: () => database.close(),
  }
}
