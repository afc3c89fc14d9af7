import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eachEvent } from '../../src/backend/each-event.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import { type DatabasePair, mariadbPair, postgresPair } from './database-failover.ts'
import { skipWithoutPrograms } from './database-process.ts'
import { figureTable } from './figure-table.ts'

const FULL = process.env['BROADCASTER_FULL'] === '1'
/** How long load goes on before and after a failover, in ms. */
const LOAD = FULL ? 10_000 : 3_000
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f']

const CASES: readonly (readonly [
  title: string,
  'postgres' | 'mariadb',
  'killed' | 'demoted',
  durable: string,
  open: () => Promise<DatabasePair>,
])[] = [
  ['PostgreSQL: primary killed, standby promoted', 'postgres', 'killed', 'synchronous standby', postgresPair],
  ['PostgreSQL: primary read-only but alive', 'postgres', 'demoted', 'synchronous standby', postgresPair],
  ['MariaDB: primary killed, replica promoted', 'mariadb', 'killed', 'semi-synchronous replica', mariadbPair],
  ['MariaDB: primary read-only but alive', 'mariadb', 'demoted', 'semi-synchronous replica', mariadbPair],
]

for (const [title, server, how, durable, open] of CASES) {
  test(`${title}: nothing is lost, and work goes on by itself`, { skip: skipWithoutPrograms(server) }, async (t) => {
    const pair = await open()
    t.after(() => pair.close())
    const name = randomUUID()
    const received: { readonly key: string; readonly n: number }[] = []
    await pair.store.schema.migrate({ lanes: 8 })
    await using broadcaster = new Broadcaster({
      name,
      store: pair.store,
      backends: { main: eachEvent((event) => void received.push(event.data as { key: string; n: number })) },
    })
    let turned = Number.POSITIVE_INFINITY
    const next = Promise.withResolvers<number>()
    const stop = onSignal('event.published', (message) => {
      if (message.outbox === name && performance.now() > turned) next.resolve(performance.now() - turned)
    })
    t.after(stop)
    const workers = [broadcaster.worker(), broadcaster.worker()]
    await Promise.all(workers.map((worker) => worker.start()))
    let loading = true
    const load = (key: string) => async (): Promise<number> => {
      let n = 0
      while (loading) {
        n++
        // Its own id: one whose commit was not answered is published again, and is one event.
        const event = { id: `${key}-${n}`, type: 'x', source: '/x', partitionKey: key, data: { key, n } }
        const publish = () => broadcaster.transaction((tx) => broadcaster.publish(tx, event))
        while (!(await publish().then(Boolean, () => false))) await delay(50)
        await delay(20)
      }
      return n
    }
    const loads = KEYS.map((key) => load(key)())
    await delay(LOAD)
    await pair.failOver(how)
    turned = performance.now()
    const wait = await next.promise
    await delay(LOAD)
    loading = false
    const sent = await Promise.all(loads)
    const all = sent.reduce((sum, n) => sum + n, 0)
    const firsts = (key: string) => [...new Set(received.filter((each) => each.key === key).map(({ n }) => n))]
    for (let waited = 0; waited < 600 && KEYS.some((key, k) => firsts(key).length < (sent[k] ?? 0)); waited++)
      await delay(50)
    const lost = KEYS.reduce((sum, key, k) => sum + (sent[k] ?? 0) - firsts(key).length, 0)
    const outOfOrder = KEYS.filter((key) => firsts(key).some((n, place) => n !== place + 1)).length
    const retried = await broadcaster.events.filter({ retryCount: { gt: 0 } }).count()
    t.diagnostic(`${all} events, ${received.length - all} again; next after ${Math.round(wait)} ms`)
    assert.deepEqual({ lost, outOfOrder, retried }, { lost: 0, outOfOrder: 0, retried: 0 })
    assert.ok(wait < 30_000)
    const took = `${(wait / 1_000).toFixed(1)} s`
    figureTable(
      'failover-stores',
      ['Failover', 'Durable by', 'Sent', 'Lost', 'Out of order', 'Retries spent', 'Next event after it'],
      [[title, durable, all.toLocaleString('en'), String(lost), String(outOfOrder), String(retried), took]],
    )
  })
}
