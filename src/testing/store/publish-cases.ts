import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { NewOutboxEvent } from '../../record/columns.ts'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it, requires } from './fixture.ts'
import { RolledBackError, rolledBack, savepoint } from './roll-back.ts'
import {
  assertColumns,
  fetchAll,
  fetchedIds,
  idsOf,
  insert,
  insertIn,
  insertOne,
  keyHashOf,
  laneCount,
  newEvent,
  read,
  runIn,
} from './steps.ts'

async function duplicateOf(store: Store, event: NewOutboxEvent) {
  return store.transaction((tx) => runIn(store, tx, store.publish.findDuplicate(event)))
}

/** Publish: atomic, in order, once. */
export const publishCases: readonly StoreCase[] = [
  it('publish: rows of one statement get seq in the order given', async ({ store }) => {
    const events = Array.from({ length: 500 }, () => newEvent())
    const rows = await insert(store, ...events)
    assert.equal(rows.length, 500)
    assert.ok(rows.every((row, n) => n === 0 || row.seq > (rows[n - 1]?.seq ?? 0)))
    const later = await insertOne(store)
    assert.ok(later.seq > (rows.at(-1)?.seq ?? 0), 'a later statement continues')
  }),
  it('publish: a new row has its defaults and the times of the database', async ({ store }) => {
    const row = await insertOne(store)
    const stored = await read(store, row.id)
    assertColumns(stored, {
      status: 'pending',
      seq: row.seq,
      lane: row.lane,
      retryCount: 0,
      maxRetries: 3,
      lastError: '',
      publishedAt: null,
      availableAt: null,
      attempts: null,
      progress: null,
      errorCode: null,
      errorFingerprint: null,
      createdAt: row.createdAt,
      updatedAt: row.updatedAt,
      scheduledAt: row.scheduledAt,
    })
    assert.equal(row.availableAt, null)
    assert.equal(row.scheduledAt.getTime(), row.createdAt.getTime(), 'due when created')
  }),
  it('publish: an event scheduled for later is parked until then, one scheduled for the past is not', async (fixture) => {
    const { store } = fixture
    const at = new Date('2500-01-02T03:04:05.678Z')
    const later = await insertOne(store, { scheduledAt: at })
    assertColumns(later, { scheduledAt: at, availableAt: at })
    const past = await insertOne(store, { scheduledAt: new Date('2001-02-03T04:05:06.789Z') })
    assert.equal(past.scheduledAt.toISOString(), '2001-02-03T04:05:06.789Z')
    assert.equal(past.availableAt, null)
    const delayed = await insertOne(store, { delay: 3_600_000 })
    assert.equal(delayed.scheduledAt.getTime() - delayed.createdAt.getTime(), 3_600_000)
    assert.equal(delayed.availableAt?.getTime(), delayed.scheduledAt.getTime())
    assert.deepEqual(await fetchedIds(store), [past.id])
  }),
  it('publish: one key has one lane, the hash modulo the number of lanes', async ({ store }) => {
    const lanes = await laneCount(store)
    const keys = Array.from({ length: 100 }, (_, n) => `key ${n}`)
    const rows = await insert(store, ...keys.map((partitionKey) => newEvent({ partitionKey })))
    for (const [n, key] of keys.entries()) assert.equal(rows[n]?.lane, keyHashOf(key) % lanes)
    const top = await insertOne(store, { partitionKey: 'top', keyHash: 4_294_967_295 })
    assert.equal(top.lane, 4_294_967_295 % lanes)
  }),
  it('publish: events without a key spread over all lanes', async ({ store }) => {
    const lanes = await laneCount(store)
    const rows = await insert(store, ...Array.from({ length: lanes * 30 }, () => newEvent()))
    const perLane = new Map<number, number>()
    for (const { lane } of rows) perLane.set(lane, (perLane.get(lane) ?? 0) + 1)
    assert.ok([...perLane.keys()].every((lane) => Number.isInteger(lane) && lane >= 0 && lane < lanes))
    // 30 expected in each: a lane with none, or with 90, happens less than once in a billion runs.
    assert.equal(perLane.size, lanes)
    assert.ok(Math.max(...perLane.values()) < 90)
  }),
  it('publish: an event id is stored once for each source and backend', async ({ store }) => {
    const first = newEvent({ eventId: 'a', data: '{"v":1}' })
    const others = [
      newEvent({ eventId: 'a', publisherBackend: 'other' }),
      newEvent({ eventId: 'a', source: '/elsewhere' }),
      newEvent({ eventId: 'b' }),
    ]
    assert.equal((await insert(store, first, ...others)).length, 4)
    const again = newEvent({ eventId: 'a', data: '{"v":2}' })
    const fresh = newEvent({ eventId: 'c' })
    assert.deepEqual(idsOf(await insert(store, again, fresh)), [fresh.id])
    const found = await duplicateOf(store, again)
    assert.equal(found?.id, first.id)
    assert.equal(found?.data, '{"v":1}', 'what was stored first stays')
    assert.equal(found?.status, 'pending')
    // Each is found by its own source and backend, not the first row with that id.
    for (const other of others) {
      const twin = await duplicateOf(store, { ...other, id: newEvent().id })
      assert.equal(twin?.id, other.id, `${other.source} ${other.publisherBackend} ${other.eventId}`)
      assert.equal(twin?.publisherBackend, other.publisherBackend)
    }
    assert.equal(await store.admin.count([]), 5)
  }),
  it('publish: a row id is stored once', async ({ store }) => {
    // Not of version 7, which is made anew for each row.
    const event = newEvent({ id: randomUUID() })
    await insert(store, event)
    assert.deepEqual(await insert(store, { ...event, eventType: 'other' }), [])
    const found = await duplicateOf(store, event)
    assertColumns(found, { id: event.id, eventType: 'order.created' })
    assert.equal(await duplicateOf(store, newEvent()), undefined)
  }),
  it('publish: twice in one statement is one event', async ({ store }) => {
    const events = [newEvent({ eventId: 'a' }), newEvent({ eventId: 'a' }), newEvent({ eventId: 'b' })]
    const rows = await insert(store, ...events)
    assert.deepEqual(idsOf(rows), [events[0]?.id, events[2]?.id])
  }),
  it('publish: a duplicate is found in the transaction that wrote it', async ({ store }) => {
    const first = newEvent({ eventId: 'a' })
    await store.transaction(async (tx) => {
      await insertIn(store, tx, [first])
      const again = newEvent({ eventId: 'a' })
      assert.deepEqual(await insertIn(store, tx, [again]), [])
      const found = await runIn(store, tx, store.publish.findDuplicate(again))
      assert.equal(found?.id, first.id)
    })
  }),
  it('publish: commits with the transaction and rolls back with it', async ({ store }) => {
    await rolledBack(store, async (tx) => {
      assert.equal((await insertIn(store, tx, [newEvent(), newEvent()])).length, 2)
    })
    assert.equal(await store.admin.count([]), 0)
    const id = randomUUID()
    const result = await store.transaction(async (tx) => {
      await insertIn(store, tx, [newEvent({ id })])
      return 'the value of the transaction'
    })
    assert.equal(result, 'the value of the transaction')
    assert.deepEqual(await fetchedIds(store), [id])
  }),
  it('publish: a savepoint that is rolled back takes its events with it', async (fixture) => {
    const { store } = fixture
    const [before, inside, kept, after] = [newEvent(), newEvent({ eventId: 'x' }), newEvent(), newEvent()]
    await store.transaction(async (tx) => {
      await insertIn(store, tx, [before])
      await savepoint(fixture, tx, async () => {
        await insertIn(store, tx, [inside])
        throw new RolledBackError()
      })
      await savepoint(fixture, tx, async () => {
        await insertIn(store, tx, [kept])
      })
      await insertIn(store, tx, [after])
    })
    assert.deepEqual(await fetchedIds(store), [before.id, kept.id, after.id])
    assert.equal((await insert(store, newEvent({ eventId: 'x' }))).length, 1, 'its identity is free again')
  }),
  requires('readsDuringTransaction')('publish: nobody sees an event before its commit', async ({ store }) => {
    const event = newEvent()
    await store.transaction(async (tx) => {
      await insertIn(store, tx, [event])
      assert.deepEqual(await fetchAll(store), [])
      assert.equal(await store.admin.count([]), 0)
    })
    assert.equal((await fetchAll(store)).length, 1)
  }),
  it('publish: many transactions at once all commit or roll back', async ({ store }) => {
    const kept: string[] = []
    await Promise.all(
      Array.from({ length: 30 }, async (_, n) => {
        const events = [newEvent(), newEvent()]
        if (n % 3 === 0) {
          await rolledBack(store, async (tx) => {
            await insertIn(store, tx, events)
          })
        } else {
          await insert(store, ...events)
          kept.push(...idsOf(events))
        }
      }),
    )
    const stored = await fetchedIds(store)
    assert.deepEqual(stored.toSorted(), kept.toSorted())
  }),
  requires('concurrentWriters')(
    'publish: a transaction that commits late is found by reading from the head',
    async ({ store }) => {
      const [early, late] = [newEvent(), newEvent()]
      await store.transaction(async (tx) => {
        const [first] = await insertIn(store, tx, [early])
        const [second] = await insert(store, late)
        assert.ok(first && second && first.seq < second.seq)
        assert.deepEqual(await fetchedIds(store), [late.id])
      })
      assert.deepEqual(await fetchedIds(store), [early.id, late.id])
    },
  ),
  it('publish: a transaction that has ended is refused', async ({ store }) => {
    let ended: unknown
    await store.transaction(async (tx) => {
      store.transactionAdapter.check(tx)
      ended = tx
    })
    await assert.rejects(async () => {
      await insertIn(store, ended, [newEvent()])
    })
    assert.equal(await store.admin.count([]), 0)
  }),
]
