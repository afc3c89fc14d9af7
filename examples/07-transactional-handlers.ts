/**
 * Handlers that write to the same database: with `transactional` their writes and the event's settle are one
 * transaction, so the effect happens exactly once, however often the handler is tried.
 *
 *     node 07-transactional-handlers.ts
 */
import { DatabaseSync } from 'node:sqlite'
import { Broadcaster, onSignal } from 'ts-broadcaster'
import { HandlerRegistry, handlers } from 'ts-broadcaster/handlers'
import { type SqliteTransaction, sqlite } from 'ts-broadcaster/sqlite'

const database = new DatabaseSync('ledger.db')
database.exec('CREATE TABLE IF NOT EXISTS ledger (account TEXT, amount INTEGER)')

let tries = 0
const registry = new HandlerRegistry<{ 'payment.received': { readonly account: string; readonly amount: number } }>()
registry.on(
  'payment.received',
  ({ data }, { tx }) => {
    const ledger = tx as SqliteTransaction
    ledger.prepare('INSERT INTO ledger VALUES (?, ?)').run(data.account, data.amount)
    if (++tries < 3) throw new Error(`try ${tries}: fails after the write`)
  },
  { name: 'book' },
)

const broadcaster = new Broadcaster({
  store: sqlite({ path: 'ledger.db' }),
  backends: { local: handlers(registry, { transactional: true }) },
  worker: { retry: { base: 50, jitter: 'none' } },
})
await broadcaster.store.schema.migrate()
await broadcaster.events.create({ type: 'payment.received', source: '/bank', data: { account: 'a', amount: 5 } })

onSignal('event.retried', ({ error }) => console.log((error as Error).message))
const published = Promise.withResolvers<void>()
onSignal('event.published', () => published.resolve())
const worker = broadcaster.worker()
await worker.start()
await published.promise
await worker.stop()

const booked = database.prepare('SELECT count(*) AS count FROM ledger').get()?.['count']
console.log(`${tries} tries, booked ${booked} time(s)`)
database.close()
await broadcaster.close()
