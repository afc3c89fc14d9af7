/**
 * A backend of your own: a plain object with `send`, `healthCheck` and `close`, or `eachEvent` with one function.
 * What it throws says what it means: an outage, a refusal for good, or a failure that is tried again.
 *
 *     node 05-own-backend.ts
 */
import { appendFile } from 'node:fs/promises'
import { type Backend, Broadcaster, delivered, eachEvent, notDelivered, PermanentError } from 'ts-broadcaster'
import { sqlite } from 'ts-broadcaster/sqlite'

/** Appends a whole batch with one write: all of it is acknowledged, or none. */
const journal: Backend = {
  capabilities: { ordersWithinSend: true },
  async send(events) {
    const lines = events.map((event) => `${event.time} ${event.type} ${event.dataJson}\n`)
    try {
      await appendFile('journal.txt', lines.join(''))
      return events.map(() => delivered)
    } catch (error) {
      return events.map(() => notDelivered(error))
    }
  },
  healthCheck: async () => ({ healthy: true, detail: 'appends to journal.txt' }),
  close: async () => undefined,
}

/** One function for one event; the relay sees to batches, order, timeouts and retries. */
const mailer = eachEvent((event) => {
  const { address } = event.data as { readonly address: string }
  if (!address.includes('@')) throw new PermanentError(`${address} is no address`)
  console.log(`mail to ${address}`)
})

const broadcaster = new Broadcaster({
  store: sqlite({ path: 'own-backend.db' }),
  backends: { journal, mailer },
  routes: [{ type: 'user.*', to: ['journal', 'mailer'] }],
})
await broadcaster.store.schema.migrate()
await broadcaster.transaction(async (tx) => {
  await broadcaster.publish(tx, { type: 'user.joined', source: '/users', data: { address: 'ada@example.org' } })
  await broadcaster.publish(tx, { type: 'user.joined', source: '/users', data: { address: 'nowhere' } })
})

console.log(
  `${await broadcaster.processPendingEvents()} of ${await broadcaster.events.count()} outbox events published`,
)
for (const event of await broadcaster.events.filter({ status: 'failed' }).all()) {
  console.log(`failed for good at ${event.publisherBackend}: ${event.lastError}`)
}
await broadcaster.close()
