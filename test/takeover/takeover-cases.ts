import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import type { DjangoDatabase } from './django-database.ts'
import { DJANGO_COLUMNS, type DjangoRow, djangoRow, isDue, OLD_ROWS } from './django-rows.ts'

const DJANGO_STATUSES = ['pending', 'processing', 'published', 'failed', 'retry']

/** Delivers what is due, as workers with two backends would; returns what arrived at each. */
export async function deliver(
  database: DjangoDatabase,
): Promise<{ readonly default: readonly OutgoingEvent[]; readonly partners: readonly OutgoingEvent[] }> {
  const backends = { default: memoryBackend(), partners: memoryBackend() }
  const broadcaster = new Broadcaster({ store: database.store, backends })
  await broadcaster.processPendingEvents({ batchSize: 1_000 })
  return { default: backends.default.events, partners: backends.partners.events }
}

const idsOf = (all: readonly { readonly id: string }[]): readonly string[] => all.map(({ id }) => id).toSorted()

/** That an event which arrived is the row that Django wrote. */
function sameContent(event: OutgoingEvent, row: DjangoRow): void {
  assert.equal(event.id, row.id)
  assert.equal(event.type, row.event_type)
  assert.equal(event.source, row.source)
  assert.equal(event.subject ?? '', row.subject)
  assert.equal(event.dataSchema ?? '', row.data_schema)
  assert.equal(event.dataContentType ?? '', row.data_content_type)
  assert.deepEqual(event.data, row.data === null ? undefined : JSON.parse(row.data))
  assert.deepEqual(event.config, JSON.parse(row.publisher_config))
  assert.equal(event.createdAt.getTime(), Date.parse(row.created_at.replace(/\d{3}Z$/, 'Z')))
}

/** A form in which rows can be compared, whatever a database does to JSON and instants. */
function plain(row: DjangoRow): object {
  const instant = (text: string | null): string | null =>
    text?.replace(/(?:\.(\d*))?Z$/, (_, part = '') => `.${part.padEnd(6, '0')}Z`) ?? null
  return {
    ...Object.fromEntries(DJANGO_COLUMNS.map((name) => [name, row[name]])),
    data: row.data === null ? null : JSON.parse(row.data),
    publisher_config: JSON.parse(row.publisher_config),
    created_at: instant(row.created_at),
    updated_at: instant(row.updated_at),
    scheduled_at: instant(row.scheduled_at),
    published_at: instant(row.published_at),
  }
}

/** What a take-over must do on every database. */
export function takeoverCases(open: () => Promise<DjangoDatabase>): void {
  const withDatabase = async (work: (database: DjangoDatabase) => Promise<void>): Promise<void> => {
    const database = await open()
    try {
      await work(database)
    } finally {
      await database.close()
    }
  }

  test('every due row is delivered as Django wrote it, stuck ones too; the others are untouched', () =>
    withDatabase(async (database) => {
      const { store } = database
      await database.insert(...OLD_ROWS)
      assert.equal((await store.schema.status()).foreign, true)
      await assert.rejects(store.schema.check(), { code: 'SCHEMA_OUTDATED' })
      const status = await store.schema.migrate({ lanes: 8 })
      assert.equal(status.version, status.latest)
      assert.equal(status.lanes, 8)
      assert.equal(status.foreign, undefined)
      await store.schema.check()
      assert.deepEqual(
        (await database.rows()).map(plain),
        sorted(OLD_ROWS).map(plain),
        'nothing has changed for Django',
      )

      const arrived = await deliver(database)
      const due = OLD_ROWS.filter(isDue)
      assert.deepEqual(idsOf([...arrived.default, ...arrived.partners]), idsOf(due))
      assert.deepEqual(idsOf(arrived.partners), idsOf(due.filter((row) => row.publisher_backend === 'partners')))
      for (const event of [...arrived.default, ...arrived.partners]) {
        const row = OLD_ROWS.find(({ id }) => id === event.id)
        assert.ok(row)
        sameContent(event, row)
      }

      const after = await database.rows()
      const untouched = OLD_ROWS.filter((row) => !isDue(row))
      for (const row of untouched) {
        const found = after.find(({ id }) => id === row.id)
        assert.ok(found)
        assert.deepEqual(plain(found), plain(row))
      }
      for (const row of after) assert.ok(DJANGO_STATUSES.includes(row.status), row.status)
      for (const { id } of due) assert.equal(after.find((row) => row.id === id)?.status, 'published')
    }))

  test('old rows come in the order they were created, and before new ones', () =>
    withDatabase(async (database) => {
      const times = [5, 3, 9, 1, 7].map((n) => `2024-03-01T08:00:00.00000${n}Z`)
      await database.insert(...times.map((created_at) => djangoRow({ created_at })))
      await database.store.schema.migrate()
      await database.insert(djangoRow({ created_at: '2020-01-01T00:00:00Z' }))
      const rows = await database.store.admin.list({
        where: [],
        columns: ['id', 'seq', 'createdAt', 'lane'],
        order: [{ column: 'seq', descending: false }],
        limit: null,
        offset: 0,
      })
      const order = (await database.rows()).toSorted((a, b) => (a.created_at < b.created_at ? -1 : 1))
      const [newest, ...old] = order
      assert.deepEqual(
        rows.map(({ id }) => id),
        [...old, newest].map((row) => row?.id),
      )
      for (const { lane, seq } of rows) {
        assert.ok(seq !== null && seq !== undefined && seq > 0)
        assert.ok(lane !== null && lane !== undefined && lane >= 0 && lane < 64)
      }
    }))

  test('Django goes on inserting with its own columns only, during the take-over and after it', () =>
    withDatabase(async (database) => {
      await database.insert(...OLD_ROWS)
      const inserted: DjangoRow[] = []
      const inserts: Promise<void>[] = []
      const insert = (columns: Partial<DjangoRow> = {}): Promise<void> => {
        const now = new Date(Date.now() - 60_000).toISOString()
        const row = djangoRow({ created_at: now, updated_at: now, ...columns })
        inserted.push(row)
        return database.insert(row)
      }
      await database.store.schema.migrate({
        onProgress: () => {
          // After this turn: SQLite has one writer, and this thread is just that.
          inserts.push(Promise.resolve().then(() => insert()))
        },
      })
      await Promise.all(inserts)
      await insert()
      await insert({ publisher_backend: 'partners', data: null })
      const later = new Date(Date.now() + 3_600_000).toISOString()
      await insert({ scheduled_at: later })
      await insert({ scheduled_at: later, status: 'processing' })
      const due = [...OLD_ROWS.filter(isDue), ...inserted.filter((row) => row.scheduled_at !== later)]
      const arrived = await deliver(database)
      assert.deepEqual(idsOf([...arrived.default, ...arrived.partners]), idsOf(due))
      const [parked] = (await database.store.admin.look()).backends.filter(({ backend }) => backend === '')
      assert.equal(parked?.scheduled.count, 5, 'three old rows and two new ones are scheduled for later')
      await database.run(`UPDATE outbox_events SET status = 'pending', retry_count = 0 WHERE status = 'failed'`)
      assert.equal((await deliver(database)).default.length, 1, "a failed row that Django's admin made pending again")
    }))

  test('migrating again changes nothing', () =>
    withDatabase(async (database) => {
      await database.insert(...OLD_ROWS)
      const status = await database.store.schema.migrate({ lanes: 4 })
      const before = await database.rows()
      const steps: string[] = []
      const again = await database.store.schema.migrate({ lanes: 9, onProgress: (step) => steps.push(step) })
      assert.deepEqual(again, status)
      assert.deepEqual(steps, [])
      assert.deepEqual(await database.rows(), before)
    }))

  test('one that dies is taken up where it stopped, wherever that is; two at once share the work', () =>
    withDatabase(async (database) => {
      await database.insert(...OLD_ROWS)
      const { store } = database
      const seen: string[] = []
      let crashes = 0
      for (let more = true; more; ) {
        more = await store.schema
          .migrate({
            lanes: 16 + crashes,
            onProgress: (step) => {
              if (seen.includes(step)) return
              seen.push(step)
              throw new Error('the process dies here')
            },
          })
          .then(
            () => false,
            (error: Error) => {
              if (error.message !== 'the process dies here') throw error
              return true
            },
          )
        if (!more) break
        crashes++
        await assert.rejects(store.schema.check(), { code: 'SCHEMA_OUTDATED' })
        await database.insert(djangoRow({ event_type: 'between.crashes' }))
      }
      assert.equal(crashes, seen.length)
      assert.ok(crashes >= 1)
      const status = await store.schema.check()
      assert.equal(status.lanes, 16 + (crashes > 1 ? 1 : crashes), 'fixed by the first step that was done')
      const arrived = await deliver(database)
      assert.equal(arrived.default.length + arrived.partners.length, OLD_ROWS.filter(isDue).length + crashes)
    }))

  test('several that migrate at once end with one outbox', () =>
    withDatabase(async (database) => {
      await database.insert(...OLD_ROWS)
      const results = await Promise.all([1, 2, 3].map(() => database.store.schema.migrate({ lanes: 8 })))
      for (const result of results) assert.equal(result.version, result.latest)
      const arrived = await deliver(database)
      assert.equal(arrived.default.length + arrived.partners.length, OLD_ROWS.filter(isDue).length)
    }))

  test('our own events stand beside those of Django', () =>
    withDatabase(async (database) => {
      await database.insert(...OLD_ROWS)
      await database.store.schema.migrate()
      const broadcaster = new Broadcaster({
        store: database.store,
        backends: { default: memoryBackend(), partners: memoryBackend() },
      })
      const event = await broadcaster.events.create({
        type: 'order.paid',
        source: '/orders',
        id: 'own',
        partitionKey: 'order-1',
        data: { total: 12, name: 'é' },
        extensions: { traceparent: '00-1' },
      })
      const again = await broadcaster.events.create({ type: 'order.paid', source: '/orders', id: 'own' })
      assert.ok(again.duplicate)
      const binary = await broadcaster.events.create({ type: 'a', source: '/b', data: new Uint8Array([1, 2, 0]) })
      const rows = await database.rows()
      const row = rows.find(({ id }) => id === event.id)
      assert.ok(row)
      assert.deepEqual(JSON.parse(row.data ?? ''), { total: 12, name: 'é' })
      assert.equal(row.publisher_backend, 'default')
      const arrived = (await deliver(database)).default
      assert.deepEqual(arrived.find(({ recordId }) => recordId === event.id)?.data, { total: 12, name: 'é' })
      assert.equal(arrived.find(({ recordId }) => recordId === event.id)?.id, 'own')
      assert.deepEqual(arrived.find(({ id }) => id === binary.id)?.dataBinary, new Uint8Array([1, 2, 0]))
    }))

  test('another table of that name is refused, and the column at fault is named', () =>
    withDatabase(async (database) => {
      await database.run('DROP TABLE outbox_events')
      await database.run('CREATE TABLE outbox_events (id integer PRIMARY KEY, message text)')
      await database.run(`INSERT INTO outbox_events VALUES (7, 'somebody else''s')`)
      await assert.rejects(database.store.schema.migrate(), (error: Error & { code?: string; field?: string }) => {
        assert.equal(error.code, 'TAKEOVER_REFUSED')
        assert.equal(error.field, 'id')
        assert.match(error.message, /outbox_events is there already.*id is int/)
        return true
      })
      assert.equal((await database.store.schema.status()).version, 0)
      await assert.rejects(database.run('INSERT INTO outbox_lanes (lane) VALUES (1)'), 'nothing was made beside it')
      await database.run('UPDATE outbox_events SET message = NULL WHERE id = 7')
    }))
}

function sorted(rows: readonly DjangoRow[]): readonly DjangoRow[] {
  return rows.toSorted((a, b) => (a.id < b.id ? -1 : 1))
}
