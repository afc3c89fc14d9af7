import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type Backend, delivered } from '../../src/backend/backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import type { HeldHead, Outcome } from '../../src/store/relay-store.ts'
import type { Store } from '../../src/store/store.ts'
import {
  allLanes,
  fetchAll,
  insert,
  NAMES,
  newEvent,
  type Owner,
  own,
  read,
  until,
} from '../../src/testing/store/steps.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { connectTo, type Other } from './other-connection.ts'

/** How long somebody keeps a row locked, in ms. */
const LOCKED = 5_000
const SOON = 3_000
const OTHERS = 200

type Row = Awaited<ReturnType<typeof insert>>[number]
type OutcomeOf = (row: Row) => Outcome

const RETRY = { retryCount: 1, error: 'no' }
const KINDS: Readonly<Record<string, OutcomeOf>> = {
  published: ({ id, lane }) => ({ kind: 'published', generation: 0, id, lane }),
  'published, with progress': ({ id, lane }) => ({ kind: 'published', generation: 0, id, lane, progress: '{}' }),
  retry: ({ id, lane }) => ({ kind: 'retry', generation: 0, id, lane, ...RETRY, delay: 60_000 }),
  failed: ({ id, lane }) => ({ kind: 'failed', generation: 0, id, lane, ...RETRY, blocks: true }),
  park: ({ id, lane }) => ({ kind: 'park', generation: 0, id, lane, delay: 60_000 }),
  sending: ({ id, lane }) => ({ kind: 'sending', generation: 0, id, lane, retryCount: 0 }),
}

for (const kind of PLACED_STORES.filter(({ name }) => name !== 'sqlite')) {
  const skip = kind.server ? skipWithout(kind.server) : false
  describe(`a locked row on ${kind.name}`, { skip, concurrency: true }, () => {
    async function withOther(work: (store: Store, other: Other, owner: Owner) => Promise<void>): Promise<void> {
      const { store, place, close } = await kind.open()
      await store.schema.migrate({ lanes: 4 })
      const other = await connectTo(place)
      try {
        await work(store, other, await own(store))
      } finally {
        await other.end()
        await store.close()
        await close()
      }
    }
    const lock = async (other: Other, id: string): Promise<void> => {
      await other.run('BEGIN')
      const stored = kind.name === 'postgres' ? id : id.replaceAll('-', '')
      await other.run(`SELECT id FROM outbox_events WHERE id = '${stored}' FOR UPDATE`)
    }
    const timeOf = async (work: () => Promise<unknown>): Promise<number> => {
      const began = performance.now()
      await work()
      return performance.now() - began
    }

    for (const [name, outcomeOf] of Object.entries(KINDS)) {
      test(`settle as ${name}: the other ${OTHERS} are recorded within ${SOON} ms, it when its lock is released`, () =>
        withOther(async (store, other, { ownership }) => {
          const rows = await insert(store, ...Array.from({ length: OTHERS + 1 }, () => newEvent({ partitionKey: 'k' })))
          const [first] = rows
          assert.ok(first)
          await lock(other, first.id)
          const released = pause(LOCKED).then(() => other.run('COMMIT'))
          let report: unknown
          const took = await timeOf(async () => {
            report = await store.relay.settle(ownership, rows.map(outcomeOf))
          })
          assert.deepEqual(report, { lost: [], busy: [first.id] })
          assert.ok(took < SOON, `${took} ms`)
          // It is not waited for again, so that it does not delay what is settled with it.
          const more = await insert(store, newEvent())
          const again = await timeOf(async () => {
            report = await store.relay.settle(ownership, [first, ...more].map(outcomeOf))
          })
          assert.deepEqual(report, { lost: [], busy: [first.id] })
          assert.ok(again < 1_000, `${again} ms`)
          await released
          assert.deepEqual(await store.relay.settle(ownership, [outcomeOf(first)]), { lost: [], busy: [] })
          const status = name.startsWith('published') ? 'published' : name === 'sending' ? 'processing' : name
          if (name !== 'park') for (const row of rows) assert.equal((await read(store, row.id)).status, status)
        }))
    }

    async function parked(store: Store, { ownership }: Owner, delay: number | null): Promise<readonly Row[]> {
      const keys = ['a', 'a', ...Array.from({ length: OTHERS }, (_, n) => `k${n}`)]
      const rows = await insert(store, ...keys.map((partitionKey) => newEvent({ partitionKey })))
      await store.relay.settle(
        ownership,
        rows.map(({ id, lane }) => ({ kind: 'park', generation: 0, id, lane, delay })),
      )
      await pause(5)
      return rows
    }
    const idsOf = (rows: readonly { readonly id: string; readonly seq: number }[]): readonly string[] =>
      rows.toSorted((a, b) => a.seq - b.seq).map(({ id }) => id)

    test('unpark brings back all but it and the others of its key, at once, and them when its lock is released', () =>
      withOther(async (store, other, owner) => {
        const rows = await parked(store, owner, 0)
        await lock(other, rows[0]?.id ?? '')
        let nextDueIn: number | null = null
        let locked: readonly HeldHead[] = []
        const unpark = async () => {
          ;({ nextDueIn, locked } = await store.relay.unpark(NAMES, await allLanes(store), 1_000))
        }
        const took = await timeOf(unpark)
        assert.ok(took < 1_000, `${took} ms`)
        assert.deepEqual(idsOf(await fetchAll(store)), idsOf(rows.slice(2)))
        assert.ok(nextDueIn !== null && nextDueIn > 0 && nextDueIn < 1_000, `due in ${nextDueIn}`)
        const [{ id, seq, lane } = assert.fail()] = rows
        assert.deepEqual(locked, [{ id, seq, lane, partitionKey: 'a', generation: 0, dueIn: 0 }])
        await other.run('COMMIT')
        await unpark()
        assert.deepEqual(idsOf(await fetchAll(store)), idsOf(rows))
        assert.deepEqual(locked, [])
      }))

    test('of a key with a locked row unpark names the first that stays, and not one that it has brought back', () =>
      withOther(async (store, other, { ownership }) => {
        // More than MySQL brings back in one statement.
        const rows = await insert(store, ...Array.from({ length: 560 }, () => newEvent({ partitionKey: 'k' })))
        await store.relay.settle(
          ownership,
          rows.map(({ id, lane }) => ({ kind: 'park', generation: 0, id, lane, delay: 0 })),
        )
        await pause(5)
        await lock(other, rows[530]?.id ?? '')
        const { locked } = await store.relay.unpark(NAMES, await allLanes(store), 1_000)
        const back = (await fetchAll(store)).length
        assert.ok(back < 530, `${back} are back`)
        assert.deepEqual(idsOf(locked), [rows[back]?.id])
      }))

    test('an event that cannot be brought back is not passed by newer ones of its key when the one before it is back', () =>
      withOther(async (store, other, { ownership }) => {
        const [head, follower] = await insert(store, newEvent({ partitionKey: 'k' }), newEvent({ partitionKey: 'k' }))
        assert.ok(head && follower)
        await store.relay.settle(ownership, [
          { kind: 'retry', id: head.id, lane: head.lane, generation: 0, ...RETRY, delay: 0 },
          { kind: 'park', id: follower.id, lane: follower.lane, generation: 0, delay: 0, behind: head.id },
        ])
        await insert(store, newEvent({ partitionKey: 'k' }))
        await lock(other, follower.id)
        await store.coordination.leave(ownership.workerId)
        const received: OutgoingEvent[] = []
        const main: Backend = {
          async send(events) {
            received.push(...events)
            return events.map(() => delivered)
          },
          async healthCheck() {
            return { healthy: true }
          },
          async close() {},
        }
        const broadcaster = new Broadcaster({ store, backends: { default: main } })
        try {
          await broadcaster.worker().start()
          await until('the head is sent', async () => received.length > 0)
          await insert(store, newEvent({ partitionKey: 'k' }))
          await pause(300)
          await other.run('COMMIT')
          await until('all are sent', async () => received.length === 4)
          assert.deepEqual(
            received.map(({ seq }) => seq),
            received.map(({ seq }) => seq).toSorted((a, b) => a - b),
          )
        } finally {
          await broadcaster.close()
        }
      }))

    for (const [name, delay] of [
      ['that is due', 0],
      ['that waited behind a head', null],
    ] as const) {
      test(`reconcile: one ${name} and is put off by somebody before it is brought back holds its key`, () =>
        withOther(async (store, other, { ownership }) => {
          const outcome =
            delay === null ? ({ kind: 'park', delay } as const) : ({ kind: 'retry', delay, ...RETRY } as const)
          /** What reconcile answers when it has read the row as it was, and waits for it so long, in ms. */
          const reconciled = async (wait: number) => {
            const [row, free] = await insert(store, newEvent({ partitionKey: 'a' }), newEvent({ partitionKey: 'b' }))
            assert.ok(row && free)
            await store.relay.settle(
              ownership,
              [row, free].map(({ id, lane }) => ({ ...outcome, id, lane, generation: 0 })),
            )
            await pause(5)
            await lock(other, row.id)
            const stored = kind.name === 'postgres' ? row.id : row.id.replaceAll('-', '')
            await other.run(
              `UPDATE outbox_events SET available_at = '2100-01-01', scheduled_at = '2100-01-01' WHERE id = '${stored}'`,
            )
            const reconciling = store.relay.reconcile(NAMES, await allLanes(store))
            await pause(wait)
            await other.run('COMMIT')
            return { row, free, heads: (await reconciling).map(({ id }) => id) }
          }
          const freed: string[] = []
          let last: readonly string[] = []
          // On a busy machine it may come to the row when it is too late: then the row is only one for the year 2100.
          for (const wait of [150, 1_000, 4_000]) {
            const { row, free, heads } = await reconciled(wait)
            freed.push(free.id)
            last = heads.map((id) => (id === row.id ? 'the row' : id))
            if (last.length > 0) break
          }
          assert.deepEqual(last, ['the row'])
          assert.deepEqual(idsOf(await fetchAll(store)).toSorted(), freed.toSorted())
        }))
    }

    test('reconcile brings back all but it, and tells of it as of one that holds its key', () =>
      withOther(async (store, other, owner) => {
        const rows = await parked(store, owner, null)
        const [first] = rows
        assert.ok(first)
        await lock(other, first.id)
        const lanes = await allLanes(store)
        let heads: readonly HeldHead[] = []
        const took = await timeOf(async () => {
          heads = await store.relay.reconcile(NAMES, lanes)
        })
        assert.ok(took < SOON, `${took} ms`)
        const { id, seq, lane } = first
        assert.deepEqual(heads, [{ id, seq, lane, partitionKey: 'a', generation: 0, dueIn: 0 }])
        assert.deepEqual(idsOf(await fetchAll(store)), idsOf(rows.slice(1)))
        await other.run('COMMIT')
        assert.deepEqual(await store.relay.reconcile(NAMES, lanes), [])
        assert.deepEqual(idsOf(await fetchAll(store)), idsOf(rows))
      }))

    test('reconcile tells of a retry that is due and locked as of one that holds its key', () =>
      withOther(async (store, other, { ownership }) => {
        const [row] = await insert(store, newEvent({ partitionKey: 'k' }))
        assert.ok(row)
        await store.relay.settle(ownership, [
          { kind: 'retry', generation: 0, id: row.id, lane: row.lane, ...RETRY, delay: 0 },
        ])
        await pause(5)
        await lock(other, row.id)
        const heads = await store.relay.reconcile(NAMES, [row.lane])
        assert.deepEqual(
          heads.map(({ id }) => id),
          [row.id],
        )
        await other.run('COMMIT')
        assert.deepEqual(await store.relay.reconcile(NAMES, [row.lane]), [])
      }))
  })
}
