import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createPool, type RowDataPacket } from 'mysql2/promise'
import { Pool } from 'pg'
import { eachEvent } from '../../src/backend/each-event.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { StoppableProxy } from '../backend/stoppable-proxy.ts'
import {
  type DatabaseProcess,
  processesOf,
  skipWithoutPrograms,
  startMariadb,
  startPostgres,
} from './database-process.ts'

const FULL = process.env['BROADCASTER_FULL'] === '1'
const ROUNDS = FULL ? 10 : 1
/** How long a lock is held, and a server stopped, in ms. */
const HELD = FULL ? 120_000 : 5_000
const STOPPED = FULL ? 60_000 : 8_000
/** By when work goes on again, with other lanes or after a trouble, in ms: a statement's time, a lease, and a heartbeat. */
const AGAIN = 25_000

/** An outbox with a worker, and what has arrived. */
class Drill implements AsyncDisposable {
  readonly broadcaster: Broadcaster
  readonly #arrived = new Set<string>()
  #published = 0

  constructor(store: Store) {
    const main = eachEvent((event) => void this.#arrived.add(event.id))
    this.broadcaster = new Broadcaster({ name: randomUUID(), store, backends: { main } })
  }

  /** One event of each of some keys, with another store than the one that is in trouble. Resolves with their ids. */
  async publish(publisher: Broadcaster, keys: number): Promise<readonly string[]> {
    const events = Array.from({ length: keys }, (_, n) => ({
      type: 'x',
      source: '/x',
      partitionKey: `key-${n}`,
      data: ++this.#published,
    }))
    const stored = await publisher.transaction((tx) => publisher.publishMany(tx, events))
    return stored.map(({ id }) => id)
  }

  /** How long it takes until these are there, in ms. */
  async arrival(ids: readonly string[], limit = AGAIN): Promise<number> {
    const started = performance.now()
    while (!ids.every((id) => this.#arrived.has(id))) {
      if (performance.now() - started > limit) {
        const missing = ids.filter((id) => !this.#arrived.has(id)).length
        assert.fail(`${missing} of ${ids.length} events had not arrived after ${limit} ms`)
      }
      await delay(20)
    }
    return performance.now() - started
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broadcaster.close()
  }
}

async function timeOf(work: Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work
  return performance.now() - started
}

/** The application's own statement, again and again: how long the slowest took, in ms. */
function watch(ping: () => Promise<unknown>) {
  let slowest = 0
  let going = true
  const watching = (async () => {
    while (going) {
      slowest = Math.max(slowest, await timeOf(ping()))
      await delay(50)
    }
  })()
  return {
    async end(): Promise<number> {
      going = false
      await watching
      return slowest
    },
  }
}

const servers: DatabaseProcess[] = []
after(() => Promise.all(servers.map((server) => server.close())))

async function ownPostgres(): Promise<DatabaseProcess> {
  const server = await startPostgres([])
  servers.push(server)
  return server
}

const poolOn = (port: number, max = 10): Pool => {
  const pool = new Pool({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres', max })
  pool.on('error', () => undefined)
  return pool
}

test('PostgreSQL: flows dropped, a row locked, a backend frozen at a lock: others go on, and it recovers by itself', {
  skip: skipWithoutPrograms('postgres'),
}, async (t) => {
  const server = await ownPostgres()
  const proxy = await StoppableProxy.to(server.port)
  const [direct, pool] = [poolOn(server.port), poolOn(proxy.port)]
  t.after(async () => {
    await Promise.all([direct.end(), proxy.stop().then(() => pool.end())])
  })
  const place = { schema: 'outbox' }
  const publisher = new Broadcaster({
    store: postgres({ pool: direct, ...place }),
    backends: { main: eachEvent(() => {}) },
  })
  await publisher.store.schema.migrate({ lanes: 8 })
  const drill = new Drill(postgres({ pool, ...place }) as Store)
  await drill.broadcaster.worker().start()
  const far: number[] = []
  let froze = 0
  for (let round = 0; round < ROUNDS; round++) {
    await drill.arrival(await drill.publish(publisher as Broadcaster, 20))
    // The flows that there are: a firewall has forgotten them.
    proxy.freeze()
    far.push(await drill.arrival(await drill.publish(publisher as Broadcaster, 20)))

    // A row, and a backend of ours that waits for a lock of somebody's and is frozen there.
    const [row] = (await direct.query('SELECT backend, lane FROM outbox.outbox_lanes ORDER BY lane LIMIT 1')).rows
    const holder = await direct.connect()
    await holder.query('BEGIN')
    const ids = await drill.publish(publisher as Broadcaster, 20)
    await holder.query('SELECT FROM outbox.outbox_events WHERE id = $1 FOR UPDATE', [ids[0]])
    const watcher = watch(() => pool.query('SELECT 1'))
    const held = delay(HELD)
    far.push(await drill.arrival(ids.slice(1)))
    await holder.query('SELECT FROM outbox.outbox_lanes WHERE backend = $1 AND lane = $2 FOR UPDATE', [
      row.backend,
      row.lane,
    ])
    const frozen = await frozenAtLock(direct, server)
    await held
    await holder.query('ROLLBACK')
    holder.release()
    if (frozen !== undefined) {
      froze++
      process.kill(frozen, 'SIGCONT')
    }
    assert.ok((await watcher.end()) < 2_000, 'the pool of the application is usable')
    far.push(await drill.arrival(await drill.publish(publisher as Broadcaster, 20)))
  }
  // In one short round there may be nobody who waits just then.
  assert.ok(!FULL || froze > 0, 'a backend was frozen at a lock')
  const retried = await publisher.events.filter({ retryCount: { gt: 0 } }).count()
  assert.equal(retried, 0)
  proxy.freeze()
  const closing = await timeOf(drill.broadcaster.close())
  t.diagnostic(
    `went on after at most ${Math.round(Math.max(...far))} ms; ${froze} backends frozen; closed in ${Math.round(closing)} ms`,
  )
  assert.ok(closing < 30_000)
  await publisher.close()
})

/** Freezes a backend of the worker's that waits for a lock, if there is one within two seconds. */
async function frozenAtLock(direct: Pool, server: DatabaseProcess): Promise<number | undefined> {
  for (let n = 0; n < 40; n++) {
    const { rows } = await direct.query(`SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' LIMIT 1`)
    const pid: unknown = rows[0]?.pid
    if (typeof pid === 'number' && processesOf(server).includes(pid)) {
      process.kill(pid, 'SIGSTOP')
      return pid
    }
    await delay(50)
  }
  return undefined
}

test('PostgreSQL: a whole server that is frozen: stop ends in time, and a worker that goes on recovers by itself', {
  skip: skipWithoutPrograms('postgres'),
}, async (t) => {
  const server = await ownPostgres()
  const url = `postgres://postgres@127.0.0.1:${server.port}/postgres`
  const store = postgres({ url, schema: 'outbox' })
  await store.schema.migrate({ lanes: 8 })
  const drill = new Drill(store as Store)
  const other = new Drill(postgres({ url, schema: 'outbox' }) as Store)
  await Promise.all([drill.broadcaster.worker().start(), other.broadcaster.worker().start()])
  await delay(1_000)
  const all = processesOf(server)
  for (const pid of all) process.kill(pid, 'SIGSTOP')
  const thawed = delay(STOPPED).then(() => {
    for (const pid of processesOf(server)) process.kill(pid, 'SIGCONT')
  })
  const closing = await timeOf(other.broadcaster.close().catch(() => undefined))
  await thawed
  const far = await drill.arrival(await drill.publish(drill.broadcaster, 20))
  t.diagnostic(
    `closed in ${Math.round(closing)} ms while it was frozen; the next events ${Math.round(far)} ms after it`,
  )
  assert.ok(closing < 35_000)
  await drill[Symbol.asyncDispose]()
})

test('MariaDB: flows dropped and single connections held: others go on, and it recovers by itself', {
  skip: skipWithoutPrograms('mariadb'),
}, async (t) => {
  const server = await startMariadb([])
  servers.push(server)
  const proxy = await StoppableProxy.to(server.port)
  const root = createPool({ host: '127.0.0.1', port: server.port, user: 'root', connectionLimit: 2 })
  await root.query('CREATE DATABASE shop')
  const pool = createPool(`mysql://root@127.0.0.1:${proxy.port}/shop`)
  const direct = createPool(`mysql://root@127.0.0.1:${server.port}/shop`)
  t.after(async () => {
    await Promise.all([root.end(), direct.end(), proxy.stop().then(() => pool.end().catch(() => undefined))])
  })
  const publisher = new Broadcaster({ store: mysql({ pool: direct }), backends: { main: eachEvent(() => {}) } })
  await publisher.store.schema.migrate({ lanes: 8 })
  const drill = new Drill(mysql({ pool }) as Store)
  await drill.broadcaster.worker().start()
  const far: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    await drill.arrival(await drill.publish(publisher as Broadcaster, 20))
    proxy.freeze()
    far.push(await drill.arrival(await drill.publish(publisher as Broadcaster, 20)))
    const holder = await direct.getConnection()
    await holder.beginTransaction()
    const ids = await drill.publish(publisher as Broadcaster, 20)
    await holder.query<RowDataPacket[]>('SELECT id FROM outbox_lanes AS l WHERE l.lane = 0 FOR UPDATE').catch(() => [])
    const watcher = watch(() => pool.query('SELECT 1'))
    await delay(FULL ? HELD : 3_000)
    await holder.rollback()
    holder.release()
    assert.ok((await watcher.end()) < 2_000, 'the pool of the application is usable')
    far.push(await drill.arrival(ids))
  }
  proxy.freeze()
  const closing = await timeOf(drill.broadcaster.close())
  t.diagnostic(`went on after at most ${Math.round(Math.max(...far))} ms; closed in ${Math.round(closing)} ms`)
  assert.ok(closing < 30_000)
  await publisher.close()
})

test('SQLite: another process holds the write lock: stop ends in time, and work goes on by itself', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-hung-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'outbox.db')
  const store = sqlite({ path })
  await store.schema.migrate({ lanes: 8 })
  const drill = new Drill(store as Store)
  const other = new Drill(sqlite({ path }) as Store)
  await Promise.all([drill.broadcaster.worker().start(), other.broadcaster.worker().start()])
  await drill.arrival(await drill.publish(drill.broadcaster, 1)).catch(() => undefined)
  const text = `const { DatabaseSync } = require('node:sqlite'); const db = new DatabaseSync(${JSON.stringify(path)})
db.exec('PRAGMA busy_timeout = 5000'); db.exec('BEGIN IMMEDIATE'); console.log('held')
setTimeout(() => { db.exec('COMMIT'); db.close() }, ${STOPPED})`
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '-e', text], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  const closing = await timeOf(other.broadcaster.close().catch(() => undefined))
  await once(child, 'exit')
  const far = await drill.arrival(await drill.publish(drill.broadcaster, 20))
  t.diagnostic(
    `closed in ${Math.round(closing)} ms while it was locked; the next events ${Math.round(far)} ms after it`,
  )
  assert.ok(closing < 30_000)
  await drill[Symbol.asyncDispose]()
})
