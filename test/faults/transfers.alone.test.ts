import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { randomInt, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { after, test } from 'node:test'
import { Pool } from 'pg'
import { Broadcaster } from '../../src/broadcaster.ts'
import type { PgTransaction } from '../../src/store/postgres/pg-transaction.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { requireServer } from '../support/servers.ts'
import { BROKERS, loadBroker } from './brokers/broker.ts'
import { figureTable } from './figure-table.ts'
import type { Transfer, TransferTask } from './transfer-process.ts'

const FULL = process.env['BROADCASTER_FULL'] === '1'
const TRANSFERS = FULL ? 20_000 : 6_000
const ACCOUNTS = 100
const OPENING = 1_000
/** About how many are applied between two kills. */
const KILL_EVERY = TRANSFERS / 10
/** Of each kind, at least. */
const KILLS = 3
/** The last are published after so many kills: else a fast broker is done before them. */
const LAST = TRANSFERS / 5
/** How long nothing may be applied, in milliseconds, before what is missing counts as lost. */
const SILENCE = 60_000

const rows: (readonly string[])[] = []

for (const name of BROKERS) {
  test(`${name}: ${TRANSFERS} transfers, workers and consumers killed: each applied once, balances exact`, async (t) => {
    const database = requireServer(t, 'postgres')
    const broker = await loadBroker(name)
    const reason = broker.skip()
    if (!database || reason !== false) return t.skip(reason || 'no database')
    const running = await broker.start('consume')
    const schema = `faults_${randomUUID().slice(0, 8)}`
    const pool = new Pool({ connectionString: database.url, max: 4 })
    const children: Record<TransferTask['role'], ChildProcess[]> = { worker: [], consumer: [] }
    const kills = { worker: 0, consumer: 0 }

    /** `slot`: what stays the same when one is killed and another takes its place. */
    const start = async (role: TransferTask['role'], slot: number): Promise<void> => {
      const address = { ...running.address, process: `${role}-${slot}` }
      const task: TransferTask = { role, broker: name, address, postgresUrl: database.url, schema }
      const child = fork(new URL('./transfer-process.ts', import.meta.url), [JSON.stringify(task)])
      children[role][slot] = child
      await Promise.race([
        once(child, 'message'),
        once(child, 'exit').then(() => Promise.reject(new Error(`a ${role} ended before it started`))),
      ])
    }
    const killOne = async (role: TransferTask['role']): Promise<void> => {
      const slot = randomInt(children[role].length)
      const child = children[role][slot]
      if (child === undefined) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
      kills[role]++
      await start(role, slot)
    }

    try {
      await pool.query(`CREATE SCHEMA ${schema}`)
      await pool.query(`CREATE TABLE ${schema}.accounts (id integer PRIMARY KEY, balance integer NOT NULL)`)
      await pool.query(
        `INSERT INTO ${schema}.accounts SELECT n, ${OPENING} FROM generate_series(0, ${ACCOUNTS - 1}) AS n`,
      )
      await pool.query(`CREATE TABLE ${schema}.counters AS SELECT 0 AS duplicates`)
      const backend = broker.backend(running.address)
      await using broadcaster = new Broadcaster({ store: postgres({ pool, schema }), backends: { default: backend } })
      await broadcaster.store.schema.migrate()
      // Some make what the subscription reads from.
      await backend.connect?.(AbortSignal.timeout(SILENCE))
      const consumers = broker.receive ? 1 : 2
      for (let n = 0; n < consumers; n++) await start('consumer', n)
      for (let n = 0; n < 2; n++) await start('worker', n)

      const killed = Promise.withResolvers<void>()
      const publishing = publish(broadcaster, killed.promise)
      // Not the marks of attempts under way, which stand beside the events: what comes again may leave some to the end.
      const applied = `SELECT count(*) AS n FROM ${schema}.outbox_inbox WHERE source = '/bank'`
      const appliedNow = async (): Promise<number> => Number((await pool.query(applied)).rows[0]?.n)
      let killAt = KILL_EVERY / 2
      let last = { applied: 0, at: performance.now() }
      while (last.applied < TRANSFERS) {
        const count = await appliedNow()
        if (count > last.applied) last = { applied: count, at: performance.now() }
        else if (performance.now() - last.at > SILENCE) assert.fail(`${count} applied, and none for ${SILENCE} ms`)
        const enough = kills.worker >= KILLS && kills.consumer >= KILLS
        if (enough) killed.resolve()
        if (count >= killAt || (!enough && count >= TRANSFERS - LAST)) {
          await killOne(kills.worker < kills.consumer ? 'worker' : 'consumer')
          killAt = count + KILL_EVERY / 2 + randomInt(KILL_EVERY)
        } else await pause(200)
      }
      const expected = await publishing

      const { rows: accounts } = await pool.query(`SELECT balance FROM ${schema}.accounts ORDER BY id`)
      const { rows: counters } = await pool.query(`SELECT duplicates FROM ${schema}.counters`)
      t.diagnostic(
        `${kills.worker} workers and ${kills.consumer} consumers killed, ${counters[0].duplicates} delivered again`,
      )
      assert.deepEqual(
        accounts.map(({ balance }) => balance),
        expected,
      )
      assert.equal(await appliedNow(), TRANSFERS)
      assert.ok(kills.worker >= KILLS && kills.consumer >= KILLS, `only ${kills.worker} and ${kills.consumer} kills`)
      rows.push([
        broker.title,
        TRANSFERS.toLocaleString('en'),
        String(kills.worker),
        String(kills.consumer),
        String(counters[0].duplicates),
        'exact',
      ])
    } finally {
      const ended = Object.values(children)
        .flat()
        .filter((child) => child.exitCode === null)
        .map((child) => {
          const exit = once(child, 'exit')
          child.send('stop')
          return exit
        })
      await Promise.all(ended)
      await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
      await pool.end()
      await running.remove()
    }
  })
}

after(() => {
  const head = ['Transfers over', 'Published', 'Workers killed', 'Consumers killed', 'Delivered again', 'Balances']
  figureTable('transfers', head, rows)
})

/** Publishes all transfers in transactions of 50; resolves with the balances that they must lead to. */
async function publish(broadcaster: Broadcaster<PgTransaction>, killed: Promise<void>): Promise<readonly number[]> {
  const balances = new Array<number>(ACCOUNTS).fill(OPENING)
  for (let done = 0; done < TRANSFERS; done += 50) {
    if (done === TRANSFERS - LAST) await killed
    const transfers = Array.from({ length: 50 }, (): Transfer => {
      const from = randomInt(ACCOUNTS)
      return { from, to: (from + 1 + randomInt(ACCOUNTS - 1)) % ACCOUNTS, amount: 1 + randomInt(100) }
    })
    const events = transfers.map((data) => ({
      type: 'transfer.made',
      source: '/bank',
      data,
      partitionKey: `account-${data.from}`,
    }))
    await broadcaster.transaction((tx) => broadcaster.publishMany(tx, events))
    for (const { from, to, amount } of transfers) {
      balances[from] = (balances[from] ?? 0) - amount
      balances[to] = (balances[to] ?? 0) + amount
    }
    await pause(10)
  }
  return balances
}

function pause(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration))
}
