import { joinStatement } from '../statement.ts'
import type { Store } from '../store.ts'
import { admin } from './admin.ts'
import { audit } from './audit.ts'
import { coordination } from './coordination.ts'
import { Database } from './database.ts'
import { history } from './history.ts'
import { inboxTexts, sqliteInbox } from './inbox.ts'
import { operations } from './operations.ts'
import { resolveOptions, type SqliteOptions } from './options.ts'
import { publish, publishTexts } from './publish.ts'
import { countSettled, removeSettled, walkSettled } from './purge.ts'
import { sqliteRelay } from './relay.ts'
import { sqliteSchema } from './schema/schema.ts'
import { type SqliteTransaction, sqliteTransaction } from './sqlite-transaction.ts'
import { tablesOf } from './tables.ts'
import { sqliteWake } from './wake.ts'

export type { SqliteTransaction } from './sqlite-transaction.ts'

/**
 * The outbox in a SQLite file, through `node:sqlite`. Opens the file at first use, and closes only what it opened.
 * Waiting for a lock never blocks the event loop. Throws `INVALID_OPTION`, also for a database in memory.
 *
 * @example
 * const store = sqlite({ path: 'shop.db' })
 * await store.schema.migrate()
 */
export function sqlite(options: SqliteOptions): Store<SqliteTransaction> {
  const { path, table, synchronous, busyTimeout } = resolveOptions(options)
  const t = tablesOf(table)
  const texts = [...publishTexts(t), ...inboxTexts(t)]
  const ours = new Set(texts.map((strings) => joinStatement({ strings, values: [] }, () => '?')))
  const database = new Database({ path, synchronous, busyTimeout, ours })
  const [walk, remove, count] = [walkSettled(t), removeSettled(t), countSettled(t)]
  const wake = sqliteWake(database)
  return {
    dialect: 'sqlite',
    description: `sqlite ${table} in ${path}`,
    transactionAdapter: sqliteTransaction(),
    publish: publish(t),
    relay: sqliteRelay(database, t),
    retention: {
      walk: (wanted) => database.read((db) => walk(db, wanted)),
      remove: (events) => database.write((db) => remove(db, events)),
      census: (before, rows, from) => database.read((db) => count(db, before, rows, from)),
    },
    coordination: coordination(database, t, wake.notify),
    admin: admin(database, t, wake.notify),
    audit: audit(database, t),
    operations: operations(database, t),
    history: history(database, t),
    inbox: sqliteInbox(database, t),
    schema: sqliteSchema(database, t),
    wake,
    transaction: (work) => database.transaction(async (tx) => ({ commit: true, value: await work(tx) })),
    close: () => database.close(),
  }
}
