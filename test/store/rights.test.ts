import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createPool, type Pool as MysqlPool } from 'mysql2/promise'
import { Pool } from 'pg'
import { OperationRunner } from '../../src/admin/operation-runner.ts'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { onSignal } from '../../src/telemetry/signals.ts'
import { purgeAmong } from '../../src/testing/store/steps.ts'
import { root } from '../project/source-files.ts'
import { requireServer } from '../support/servers.ts'

/** Each role of docs/rights.md does its work with exactly the rights that stand there. */

type Role = 'publisher' | 'worker' | 'consumer' | 'operator' | 'reader'
const ROLES: readonly Role[] = ['publisher', 'worker', 'consumer', 'operator', 'reader']

const TABLES = [
  ...['events', 'lanes', 'workers', 'breakers', 'destinations', 'rates', 'inbox'],
  ...['audit', 'operations', 'undo', 'duties', 'flow', 'outages', 'settings', 'migrations'],
]

/** The rights of a role on each table, as the page's table says them. */
function rightsOf(role: Role): readonly (readonly [table: string, rights: string])[] {
  const page = readFileSync(join(root, 'docs/rights.md'), 'utf8')
  const rows = [...page.matchAll(/^\| `outbox_(\w+)` \|(.*)\|$/gm)]
  assert.ok(rows.length >= 8, 'the page has a table of rights')
  return rows.flatMap(([, table = '', cells = '']) => {
    const rights = cells.split('|')[ROLES.indexOf(role)]?.trim() ?? ''
    return rights === '' ? [] : [[table, rights] as const]
  })
}

/** What the page says of MySQL beside the table. */
const PUBLISHER_ON = { mysql: 'SELECT, INSERT, UPDATE (updated_at)', mariadb: 'SELECT, INSERT, UPDATE' } as const
for (const rights of Object.values(PUBLISHER_ON)) {
  assert.ok(readFileSync(join(root, 'docs/rights.md'), 'utf8').includes(`GRANT ${rights} ON shop.outbox_events`))
}

/** What each role does. `as` gives the store with the rights of a role; `tables` all rows of all tables. */
async function playAll(as: (role: Role) => Store, tables: () => Promise<unknown>): Promise<void> {
  const backend = memoryBackend({ rate: '100000/s' })
  const broadcasterOf = (role: Role) =>
    new Broadcaster({ store: as(role), backends: { main: backend, other: memoryBackend() }, logger: false })
  const publish = async (broadcaster: Broadcaster, data: string, id?: string) =>
    broadcaster.transaction((tx) =>
      broadcaster.publish(tx, { type: 'a.b', source: '/s', data, partitionKey: 'k', ...(id !== undefined && { id }) }),
    )

  const publisher = broadcasterOf('publisher')
  const first = await publish(publisher, 'one', 'mine')
  assert.equal((await publish(publisher, 'one', 'mine')).duplicate, true)
  await publisher.transaction((tx) => publisher.publishMany(tx, [{ type: 'a.b', source: '/s', data: 'many' }]))
  // A control: it has no right to more.
  await assert.rejects(publisher.events.delete(first.id))

  const worker = broadcasterOf('worker')
  assert.equal(await worker.processPendingEvents(), 2)
  await as('worker').retention.census(null, 10)
  await purgeAmong(as('worker'), 1, { published: 0, failed: 0 })
  const running = worker.worker({ pollInterval: 50 })
  await running.start()
  const delivered = new Promise((resolve) => {
    const stop = onSignal('event.published', (message) => {
      if (message.outbox !== worker.name) return
      stop()
      resolve(undefined)
    })
  })
  const again = await publish(publisher, 'two')
  await delivered
  await running.stop()

  const consumer = new Broadcaster({ store: as('consumer'), logger: false })
  await consumer.store.schema.check()
  const event = { specversion: '1.0', id: 'x', source: '/s', type: 'a.b' } as const
  const handled = async () =>
    consumer.transaction(async (tx) => consumer.inbox.once(tx, 'billing', event, async () => 'done'))
  await handled()
  await handled()
  await consumer.store.inbox.prune({ age: 0, limit: 10 })

  const operator = broadcasterOf('operator')
  await operator.store.schema.check()
  assert.ok((await operator.events.all()).length >= 2)
  await operator.events.stats()
  await operator.store.coordination.survey(['main'])
  const replay = await operator.admin.operations.start({ do: 'replay', filter: { all: true }, to: 'other' })
  while (Number.isFinite(await new OperationRunner(as('worker')).step()));
  const { state, moved } = await operator.admin.operations.get(replay.id)
  assert.deepEqual([state, moved > 0], ['done', true])
  await operator.admin.delete({ publisherBackend: 'other' })
  await operator.admin.replay(again.id)
  await operator.admin.cancel(again.id)
  await operator.admin.requeue(again.id)
  const [requeued] = await operator.admin.audit({ limit: 1 })
  assert.equal((await operator.admin.undo(requeued?.id ?? 0)).undone, 1)
  await operator.admin.requeue(again.id)
  await as('worker').audit.prune({ age: 0, limit: 1 })
  const { duties } = as('worker').coordination
  assert.equal(await duties.take('clean-up', 'one', 10_000), true)
  assert.equal(await duties.take('clean-up', 'one', 10_000), true)
  await duties.giveBack('clean-up', 'one')
  const { id } = await operator.admin.operations.start({ do: 'cancel', filter: { all: true }, by: 'ops' })
  const runner = new OperationRunner(as('worker'))
  while (Number.isFinite(await runner.step()));
  assert.equal((await operator.admin.operations.get(id)).state, 'done')
  await operator.admin.requeue(again.id)
  const corrected = await operator.admin.correct(again.id, { subject: 'corrected' })
  await operator.admin.cancel(corrected.id)
  await operator.admin.requeue(again.id)
  await operator.events.reschedule(again.id, new Date(Date.now() + 60_000))
  await operator.admin.inbox()
  await operator.events.delete(again.id)
  await operator.admin.pause('main', { by: 'ops' })
  assert.equal((await operator.admin.pauses()).length, 1)
  await operator.admin.resume('main', { by: 'ops' })
  await operator.store.coordination.breakers.close('main')
  await operator.store.coordination.destinations.close('main', 'x')

  // A worker that died: looking at it removes nothing.
  await as('worker').coordination.enter({ name: 'dead', backends: ['main'], lease: 0 })
  const reader = broadcasterOf('reader')
  await reader.store.schema.check()
  assert.ok((await reader.events.all()).length > 0)
  const before = await tables()
  await reader.admin.stats()
  const { workers, findings, backends } = await reader.status({ askBackends: true, thorough: true })
  assert.deepEqual(workers, [])
  assert.ok(backends.some(({ backend }) => backend === 'main'))
  assert.ok(findings.some(({ code }) => code === 'no-worker'))
  assert.deepEqual(await reader.admin.openBreakers(), [])
  await reader.admin.inbox()
  await reader.admin.storage()
  assert.ok((await reader.admin.audit()).length > 0)
  await reader.admin.preview('requeue', { all: true })
  assert.deepEqual(await tables(), before, 'looking changes no table')
  await assert.rejects(reader.events.delete({ all: true }))
  for (const one of [publisher, worker, consumer, operator, reader]) await one.close()
}

test('PostgreSQL', async (t) => {
  const server = requireServer(t, 'postgres')
  if (!server) return
  const name = `broadcaster_rights_${randomBytes(6).toString('hex')}`
  const admin = new Pool({ connectionString: server.url, max: 2 })
  const pools: Pool[] = []
  try {
    const owner = postgres({ pool: admin, schema: name, listen: false })
    await owner.schema.migrate({ lanes: 4 })
    for (const role of ROLES) {
      await admin.query(`CREATE ROLE ${name}_${role}; GRANT USAGE ON SCHEMA ${name} TO ${name}_${role}`)
      for (const [table, rights] of rightsOf(role)) {
        await admin.query(`GRANT ${rights} ON ${name}.outbox_${table} TO ${name}_${role}`)
      }
    }
    await playAll(
      (role) => {
        const pool = new Pool({ connectionString: server.url, options: `-c role=${name}_${role}`, max: 5 })
        pools.push(pool)
        return postgres({ pool, schema: name }) as Store
      },
      async () => {
        const all = TABLES.map((table) => admin.query(`SELECT t::text FROM ${name}.outbox_${table} AS t ORDER BY 1`))
        return (await Promise.all(all)).map(({ rows }) => rows)
      },
    )
  } finally {
    for (const pool of pools) await pool.end()
    await admin.query(`DROP SCHEMA IF EXISTS ${name} CASCADE`)
    for (const role of ROLES) await admin.query(`DROP ROLE IF EXISTS ${name}_${role}`)
    await admin.end()
  }
})

for (const server of ['mariadb', 'mysql'] as const) {
  test(server === 'mysql' ? 'MySQL' : 'MariaDB', async (t) => {
    const found = requireServer(t, server)
    if (!found) return
    const name = `rights_${randomBytes(4).toString('hex')}`
    const admin = createPool({ uri: found.url, connectionLimit: 2 })
    const pools: MysqlPool[] = []
    const userOf = (role: Role): string => `'${name}_${role}'@'%'`
    try {
      await admin.query(`CREATE DATABASE ${name}`)
      const url = new URL(found.url)
      url.pathname = `/${name}`
      const owner = mysql({ url: url.href })
      await owner.schema.migrate({ lanes: 4 })
      await owner.close()
      for (const role of ROLES) {
        await admin.query(`CREATE USER ${userOf(role)} IDENTIFIED BY 'pw'`)
        for (const [table, rights] of rightsOf(role)) {
          const own = role === 'publisher' && table === 'events' ? PUBLISHER_ON[server] : rights
          await admin.query(`GRANT ${own} ON ${name}.outbox_${table} TO ${userOf(role)}`)
        }
      }
      await playAll(
        (role) => {
          const as = new URL(url)
          as.username = `${name}_${role}`
          as.password = 'pw'
          const pool = createPool({ uri: as.href, connectionLimit: 5 })
          pools.push(pool)
          return mysql({ pool }) as Store
        },
        async () => {
          const all = TABLES.map((table) => admin.query(`SELECT * FROM ${name}.outbox_${table} ORDER BY 1, 2`))
          return (await Promise.all(all)).map(([rows]) => rows)
        },
      )
    } finally {
      for (const pool of pools) await pool.end()
      await admin.query(`DROP DATABASE IF EXISTS ${name}`)
      for (const role of ROLES) await admin.query(`DROP USER IF EXISTS ${userOf(role)}`)
      await admin.end()
    }
  })
}
