import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { BroadcasterError } from '../../src/errors.ts'
import { type SqliteTransaction, sqlite } from '../../src/store/sqlite/sqlite.ts'
import { fetchAll, insert, insertIn, insertOne, newEvent, own, read } from '../../src/testing/store/steps.ts'

const folder = mkdtempSync(join(tmpdir(), 'broadcaster-sqlite-file-'))
let files = 0
const newFile = (): string => join(folder, `${++files}.db`)

after(() => rmSync(folder, { recursive: true }))

const hasCode = (code: string) => (error: unknown) => error instanceof BroadcasterError && error.code === code

test('a database in memory is refused, and memoryStore is named', () => {
  const memory = new DatabaseSync(':memory:')
  try {
    for (const options of [
      { path: ':memory:' },
      { path: '' },
      { database: memory },
      { database: { name: ':memory:', memory: true } },
    ]) {
      assert.throws(
        () => sqlite(options),
        (error) => hasCode('INVALID_OPTION')(error) && /memoryStore/.test(String(error)),
      )
    }
  } finally {
    memory.close()
  }
})

test('options are checked', () => {
  const path = newFile()
  assert.throws(() => sqlite({}), hasCode('INVALID_OPTION'))
  assert.throws(() => sqlite({ path, table: 'x"; drop table y' }), hasCode('INVALID_OPTION'))
  assert.throws(() => sqlite({ path, busyTimeout: -1 }), hasCode('INVALID_OPTION'))
  assert.throws(() => sqlite({ path, synchronous: 'off' as 'full' }), hasCode('INVALID_OPTION'))
})

test('an injected database: its own transaction publishes, and the store reads over its own connections', async () => {
  const database = new DatabaseSync(newFile())
  const store = sqlite({ database })
  try {
    await store.schema.migrate()
    const event = newEvent()
    database.exec('BEGIN IMMEDIATE')
    await insertIn(store, database, [event])
    assert.deepEqual(await fetchAll(store), [], 'not before the commit')
    database.exec('COMMIT')
    assert.deepEqual(
      (await fetchAll(store)).map((row) => row.id),
      [event.id],
    )
  } finally {
    await store.close()
  }
  assert.equal(database.isOpen, true, 'what was injected stays open')
  database.close()
})

test('a lock held in this very thread is waited for without blocking it', async () => {
  const database = new DatabaseSync(newFile())
  const store = sqlite({ database })
  try {
    await store.schema.migrate()
    const { ownership } = await own(store)
    const [row] = await insert(store, newEvent())
    assert.ok(row)
    database.exec('BEGIN IMMEDIATE')
    const settled = store.relay.settle(ownership, [{ kind: 'published', generation: 0, id: row.id, lane: row.lane }])
    // Only a thread that is not blocked gets here.
    assert.equal((await fetchAll(store)).length, 1)
    database.exec('COMMIT')
    assert.deepEqual(await settled, { lost: [], busy: [] })
    assert.equal((await read(store, row.id)).status, 'published')
  } finally {
    await store.close()
    database.close()
  }
})

test('a lock that is held too long is STORE_BUSY, and the store goes on afterwards', async () => {
  const database = new DatabaseSync(newFile())
  const store = sqlite({ database, busyTimeout: 30 })
  try {
    await store.schema.migrate()
    database.exec('BEGIN IMMEDIATE')
    await assert.rejects(insert(store, newEvent()), hasCode('STORE_BUSY'))
    await assert.rejects(store.coordination.leave('nobody'), hasCode('STORE_BUSY'))
    database.exec('COMMIT')
    assert.equal((await insert(store, newEvent())).length, 1)
  } finally {
    await store.close()
    database.close()
  }
})

test('a transaction inside a transaction of the same store is STORE_BUSY and no deadlock', async () => {
  const store = sqlite({ path: newFile(), busyTimeout: 30 })
  try {
    await store.schema.migrate()
    await store.transaction(async () => {
      await assert.rejects(insert(store, newEvent()), hasCode('STORE_BUSY'))
    })
    assert.equal((await insert(store, newEvent())).length, 1)
  } finally {
    await store.close()
  }
})

test('the transaction of an earlier callback cannot write into a later one', async () => {
  const store = sqlite({ path: newFile() })
  try {
    await store.schema.migrate()
    const first = await store.transaction(async (tx) => tx)
    await store.transaction(async (tx) => {
      await assert.rejects(insertIn(store, first, [newEvent()]), hasCode('TRANSACTION_ENDED'))
      assert.throws(() => first.exec('DELETE FROM outbox_events'), hasCode('TRANSACTION_ENDED'))
      await insertIn(store, tx, [newEvent()])
    })
    assert.equal((await fetchAll(store)).length, 1)
    await assert.rejects(
      store.transaction(async (tx) => tx.exec('COMMIT')),
      hasCode('TRANSACTION_ENDED'),
    )
  } finally {
    await store.close()
  }
})

test('a handler whose transaction SQLite has rolled back, though it caught the error, has not delivered its event', async () => {
  const path = newFile()
  const store = sqlite({ path })
  try {
    await store.schema.migrate()
    using database = new DatabaseSync(path)
    database.exec('CREATE TABLE orders (id TEXT PRIMARY KEY)')
    const { ownership } = await own(store)
    const { id, lane } = await insertOne(store)
    const outcome = { kind: 'published', generation: 0, id, lane } as const
    await assert.rejects(
      store.relay.settleInTransaction(ownership, async (tx) => {
        const { exec } = tx as SqliteTransaction
        exec.call(tx, "INSERT INTO orders VALUES ('a')")
        assert.throws(() => exec.call(tx, "INSERT OR ROLLBACK INTO orders VALUES ('a')"))
        return outcome
      }),
      hasCode('TRANSACTION_ENDED'),
    )
    assert.deepEqual(database.prepare('SELECT * FROM orders').all(), [])
    assert.equal((await read(store, id)).status, 'pending')
    // The control.
    assert.equal((await store.relay.settleInTransaction(ownership, async () => outcome)).recorded, true)
  } finally {
    await store.close()
  }
})

test('a closed store says so', async () => {
  const store = sqlite({ path: newFile() })
  await store.schema.migrate()
  await store.close()
  await store.close()
  await assert.rejects(fetchAll(store), hasCode('CLOSED'))
  await assert.rejects(insert(store, newEvent()), hasCode('CLOSED'))
})

test('a file that cannot be opened is STORE_UNAVAILABLE', async () => {
  const store = sqlite({ path: join(folder, 'no such folder', 'x.db') })
  await assert.rejects(store.schema.status(), hasCode('STORE_UNAVAILABLE'))
  await store.close()
})

test('a newer schema is refused when it is breaking, and used when it is not', async () => {
  const path = newFile()
  const store = sqlite({ path, table: 'shop_events' })
  const database = new DatabaseSync(path)
  const add = (version: number, breaking: number) =>
    database.exec(`INSERT INTO shop_migrations VALUES (${version}, 'later', ${breaking}, '2100-01-01 00:00:00')`)
  try {
    await store.schema.migrate()
    add(1000, 0)
    assert.equal((await store.schema.check()).version, 1000)
    await store.schema.migrate()
    add(1001, 1)
    await assert.rejects(store.schema.check(), hasCode('SCHEMA_TOO_NEW'))
    await assert.rejects(store.schema.migrate(), hasCode('SCHEMA_TOO_NEW'))
  } finally {
    database.close()
    await store.close()
  }
})

test('the printed SQL makes the same outbox', async () => {
  const [printed, migrated] = [newFile(), newFile()]
  const schemaOf = (path: string): unknown => {
    const database = new DatabaseSync(path)
    try {
      return database.prepare('SELECT type, name, sql FROM sqlite_schema ORDER BY type, name').all()
    } finally {
      database.close()
    }
  }
  const store = sqlite({ path: printed })
  const other = sqlite({ path: migrated })
  try {
    const database = new DatabaseSync(printed)
    database.exec(store.schema.print({ lanes: 16 }))
    database.close()
    const status = await store.schema.check()
    assert.equal(status.lanes, 16)
    await other.schema.migrate({ lanes: 16 })
  } finally {
    await store.close()
    await other.close()
  }
  assert.deepEqual(schemaOf(printed), schemaOf(migrated))
})

test('a row that plain SQL inserts with its own columns only is fetched', async () => {
  const path = newFile()
  const store = sqlite({ path })
  try {
    await store.schema.migrate({ lanes: 4 })
    const database = new DatabaseSync(path)
    database.exec(
      "INSERT INTO outbox_events (id, event_type, source, data) VALUES ('0193d2a012347abc8def0123456789ab', 'a', '/b', '{}')",
    )
    database.close()
    const [row] = await fetchAll(store)
    assert.equal(row?.id, '0193d2a0-1234-7abc-8def-0123456789ab')
    assert.ok(row.lane >= 0 && row.lane < 4)
    assert.ok(Math.abs(row.createdAt.getTime() - Date.now()) < 60_000)
  } finally {
    await store.close()
  }
})

test('two processes write at once: everything arrives once', async () => {
  const path = newFile()
  const store = sqlite({ path })
  try {
    await store.schema.migrate()
    const child = spawn(
      process.execPath,
      ['--input-type=module-typescript', '--disable-warning=ExperimentalWarning', '-e', CHILD, path],
      { cwd: import.meta.dirname, stdio: ['ignore', 'inherit', 'inherit'] },
    )
    const ended = once(child, 'exit')
    for (let n = 0; n < 100; n++) await insert(store, newEvent({ eventType: 'parent' }))
    assert.deepEqual(await ended, [0, null])
    const rows = await fetchAll(store)
    assert.equal(rows.filter((row) => row.eventType === 'parent').length, 100)
    assert.equal(rows.filter((row) => row.eventType === 'child').length, 100)
    assert.equal(new Set(rows.map((row) => row.seq)).size, 200)
  } finally {
    await store.close()
  }
})

const CHILD = `
import { sqlite } from ${JSON.stringify(new URL('../../src/store/sqlite/sqlite.ts', import.meta.url).href)}
import { insert, newEvent } from ${JSON.stringify(new URL('../../src/testing/store/steps.ts', import.meta.url).href)}
const store = sqlite({ path: process.argv.at(-1) })
for (let n = 0; n < 100; n++) await insert(store, newEvent({ eventType: 'child' }))
await store.close()
`

test('reads that come between a write and its transaction are no trouble', async () => {
  const store = sqlite({ path: newFile() })
  try {
    await store.schema.migrate()
    const { coordination, relay } = store
    const work = Array.from({ length: 50 }, async (_, n) => {
      // Each begins some microtasks after the one before it.
      for (let turn = 0; turn < n; turn++) await undefined
      await Promise.all([
        coordination.breakers.open(`backend ${n}`, 1_000, 'away'),
        relay.fetch(['default'], [{ lane: n % 8, after: 0, limit: 10 }]),
      ])
    })
    await Promise.all(work)
    assert.equal((await coordination.survey(['backend 49'])).breakers.length, 1)
  } finally {
    await store.close()
  }
})

test('rows are counted, and not the holes that a purge left between them', async () => {
  const path = newFile()
  const store = sqlite({ path })
  try {
    await store.schema.migrate()
    using database = new DatabaseSync(path)
    const row = (seq: number): string => `(lower(hex(randomblob(16))), 'a', 'b', ${seq})`
    database.exec(`INSERT INTO outbox_events (id, event_type, source, seq) VALUES ${row(1)}, ${row(5_000_000)}`)
    const { totalRows, totalRowsIsEstimate } = await store.admin.look()
    assert.deepEqual({ totalRows, totalRowsIsEstimate }, { totalRows: 2, totalRowsIsEstimate: false })
  } finally {
    await store.close()
  }
})

test('microseconds that others wrote are seen to the millisecond, by a filter too', async () => {
  const path = newFile()
  const store = sqlite({ path })
  await store.schema.migrate()
  const { id } = await insertOne(store)
  const database = new DatabaseSync(path)
  database.exec("UPDATE outbox_events SET created_at = '2026-01-02 03:04:05.678901'")
  database.close()
  const { createdAt } = await read(store, id)
  assert.equal(createdAt.toISOString(), '2026-01-02T03:04:05.678Z')
  const later = new Date(createdAt.getTime() + 1)
  const count = (op: 'eq' | 'ne' | 'lt' | 'lte' | 'gt' | 'gte', value: Date) =>
    store.admin.count([{ column: 'createdAt', op, value }])
  assert.deepEqual(
    await Promise.all((['eq', 'ne', 'lt', 'lte', 'gt', 'gte'] as const).map((op) => count(op, createdAt))),
    [1, 0, 0, 1, 0, 1],
  )
  assert.equal(await store.admin.count([{ column: 'createdAt', op: 'in', values: [later, createdAt] }]), 1)
  assert.equal(await store.admin.count([{ column: 'createdAt', op: 'notIn', values: [createdAt] }]), 0)
  await store.close()
})
