import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { HeldHead, Outcome } from '../../src/store/relay-store.ts'
import type { Store } from '../../src/store/store.ts'
import { allLanes, fetchAll, insert, NAMES, newEvent, type Owner, own, read } from '../../src/testing/store/steps.ts'
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
        const unpark = async () => {
          ;({ nextDueIn } = await store.relay.unpark(NAMES, await allLanes(store), 1_000))
        }
        const took = await timeOf(unpark)
        assert.ok(took < 1_000, `${took} ms`)
        assert.deepEqual(idsOf(await fetchAll(store)), idsOf(rows.slice(2)))
        assert.ok(nextDueIn !== null && nextDueIn > 0 && nextDueIn < 1_000, `due in ${nextDueIn}`)
        await other.run('COMMIT')
        await unpark()
        assert.deepEqual(idsOf(await fetchAll(store)), idsOf(rows))
      }))

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
