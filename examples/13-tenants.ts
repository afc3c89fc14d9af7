/**
 * Many tenants, each with a database of its own, and one process that delivers for all of them: one has a backlog, one
 * has a single event, one's database is away, one arrives later.
 *
 *     node 13-tenants.ts
 */
import { mkdirSync } from 'node:fs'
import { Broadcaster, eachEvent, onSignal, WorkerPool } from 'ts-broadcaster'
import { sqlite } from 'ts-broadcaster/sqlite'

// One way out for all: a client of a broker would be opened once.
const sent: string[] = []
const broker = eachEvent(async (event) => {
  sent.push(event.source.slice(1))
  await new Promise((resolve) => setTimeout(resolve, 2))
})

// Two events a send, so that the turns can be seen.
function tenant(name: string, path = `${name}.db`): Broadcaster {
  return new Broadcaster({ name, store: sqlite({ path }), backends: { broker }, worker: { batchSize: 2 } })
}

async function publish(broadcaster: Broadcaster, count: number): Promise<void> {
  const events = Array.from({ length: count }, () => ({ type: 'order.placed', source: `/${broadcaster.name}` }))
  await broadcaster.transaction((tx) => broadcaster.publishMany(tx, events))
}

/** Resolves when the outbox has published so many events. */
function published({ name }: Broadcaster, count: number): Promise<void> {
  return new Promise((resolve) => {
    const stop = onSignal('event.published', ({ outbox }) => {
      if (outbox !== name || --count > 0) return
      stop()
      resolve()
    })
  })
}

const acme = tenant('acme')
const bolt = tenant('bolt')
const away = tenant('away', 'not-there-yet/away.db')
for (const { store } of [acme, bolt]) await store.schema.migrate()
await publish(acme, 1_000)
await publish(bolt, 1)

const pool = new WorkerPool([acme, bolt, away], { concurrency: 1, restartInterval: 200 })
const boltIsDone = published(bolt, 1)
await pool.start()
console.log(
  pool
    .status()
    .map(({ name, state }) => `${name} ${state}`)
    .join(', '),
)

await boltIsDone
const before = sent.indexOf('bolt')
console.log(`bolt's event went ${before <= 100 ? 'early' : 'late'}, with acme's thousand still going out`)

// The database of the third comes into being: it is taken up by itself.
const awayIsDone = published(away, 1)
mkdirSync('not-there-yet')
await away.store.schema.migrate()
await publish(away, 1)
await awayIsDone
console.log('away is back')

// A tenant that arrives later, and one that goes.
const cargo = tenant('cargo')
await cargo.store.schema.migrate()
const cargoIsDone = published(cargo, 1)
await publish(cargo, 1)
await pool.add(cargo)
await cargoIsDone
await pool.remove(bolt)
console.log(
  pool
    .status()
    .map(({ name }) => name)
    .join(', '),
)

await pool.stop()
for (const broadcaster of [acme, bolt, away, cargo]) await broadcaster.close()
