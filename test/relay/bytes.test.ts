/** No more data in memory than `maxInFlightBytes`, and in one send than `maxBatchBytes`. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Backend, delivered } from '../../src/backend/backend.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import { bytesOf } from '../../src/relay/bounded-fetch.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import { dataOf, TestOutbox } from './outbox.ts'

const KIB = 1_024
const SIZES = { maxInFlightBytes: 1_024 * KIB, maxBatchBytes: 300 * KIB, concurrency: 3 }

const KINDS = [
  { name: 'memory', skip: false, open: async () => ({ store: memoryStore({ lanes: 4 }) as Store }) },
  ...PLACED_STORES.map(({ name, server, open }) => ({ name, skip: server ? skipWithout(server) : false, open })),
]

/** What the relay reads of data, and what of it is not recorded as published yet. */
class Watch {
  /** In one statement. */
  mostRead = 0
  mostHeld = 0
  /** Statements that read data by itself. */
  statements = 0
  readonly store: Store
  readonly #held = new Map<string, number>()
  readonly #gone = new Set<string>()

  constructor(store: Store) {
    const { relay } = store
    this.store = {
      ...store,
      relay: {
        ...relay,
        fetch: async (...asked) => this.#read(await relay.fetch(...asked)),
        fetchData: async (...asked) => {
          this.statements++
          return this.#read(await relay.fetchData(...asked))
        },
        settle: async (ownership, outcomes) => {
          const report = await relay.settle(ownership, outcomes)
          for (const { id, kind } of outcomes) {
            if (kind !== 'published') continue
            this.#gone.add(id)
            this.#held.delete(id)
          }
          return report
        },
      },
    }
  }

  #read<Row extends Parameters<typeof bytesOf>[0] & { readonly id: string }>(rows: readonly Row[]): readonly Row[] {
    this.mostRead = Math.max(this.mostRead, sum(rows.map(bytesOf)))
    for (const row of rows) if (bytesOf(row) > 0 && !this.#gone.has(row.id)) this.#held.set(row.id, bytesOf(row))
    this.mostHeld = Math.max(this.mostHeld, sum([...this.#held.values()]))
    return rows
  }
}

/** A backend that takes its time, and counts what it has at once. */
class Slow implements Backend {
  readonly capabilities = { ordersWithinSend: true }
  readonly received: OutgoingEvent[] = []
  readonly sends: { readonly count: number; readonly bytes: number }[] = []
  mostBytes = 0
  #bytes = 0

  async send(events: readonly OutgoingEvent[]) {
    const bytes = sum(events.map(sizeOf))
    this.sends.push({ count: events.length, bytes })
    this.#bytes += bytes
    this.mostBytes = Math.max(this.mostBytes, this.#bytes)
    await delay(5)
    this.#bytes -= bytes
    this.received.push(...events)
    return events.map(() => delivered)
  }
  healthCheck = async () => ({ healthy: true })
  close = async () => undefined
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
const sizeOf = ({ dataJson, dataBinary }: OutgoingEvent): number => bytesOf({ data: dataJson, dataBinary })
/** Text of so many bytes as JSON, which does not compress. */
const noise = (bytes: number): string =>
  randomBytes(bytes)
    .toString('base64')
    .slice(0, bytes - 2)

for (const { name, skip, open } of KINDS) {
  describe(`bounds by bytes: ${name}`, { skip }, () => {
    async function relayed(
      events: readonly { readonly data: unknown; readonly key?: string }[],
      options: { readonly maxInFlightBytes?: number; readonly batchSize?: number } = {},
    ): Promise<{ readonly watch: Watch; readonly backend: Slow }> {
      await using closing = new AsyncDisposableStack()
      const placed = await open()
      if ('close' in placed) closing.defer(() => placed.close())
      await placed.store.schema.migrate({ lanes: 4 })
      const watch = new Watch(placed.store)
      const backend = new Slow()
      await using outbox = new TestOutbox({ main: backend }, watch.store)
      const { broadcaster } = outbox
      for (let done = 0; done < events.length; done += 10) {
        const some = events.slice(done, done + 10).map(({ data, key: partitionKey }) => ({
          type: 'test.happened',
          source: '/test',
          data,
          partitionKey,
        }))
        await broadcaster.transaction((tx) => broadcaster.publishMany(tx, some))
      }
      await broadcaster.worker({ ...SIZES, ...options }).start()
      await outbox.until(() => backend.received.length >= events.length, `${events.length} events`)
      assert.equal(new Set(backend.received.map(({ id }) => id)).size, events.length)
      assert.equal(backend.received.length, events.length, 'each once')
      return { watch, backend }
    }

    test('large events: what is in memory and in flight, and each send; of a key in order', async () => {
      const events = Array.from({ length: 60 }, (_, n) => ({
        data: { n, text: noise((1 + ((n * 7) % 10)) * 20 * KIB) },
        key: `key ${n % 7}`,
      }))
      const { watch, backend } = await relayed(events)
      assert.ok(watch.mostRead <= SIZES.maxInFlightBytes, `${watch.mostRead} bytes in one statement`)
      assert.ok(watch.mostHeld <= SIZES.maxInFlightBytes, `${watch.mostHeld} bytes in memory`)
      assert.ok(watch.mostHeld > SIZES.maxInFlightBytes / 2, 'the room is used')
      assert.ok(backend.mostBytes <= SIZES.concurrency * SIZES.maxBatchBytes, `${backend.mostBytes} bytes in flight`)
      for (const { count, bytes } of backend.sends) assert.ok(count === 1 || bytes <= SIZES.maxBatchBytes)
      assert.ok(backend.sends.some(({ count }) => count > 1))
      for (let key = 0; key < 7; key++) {
        const ofKey = (dataOf(backend.received, `key ${key}`) as { readonly n: number }[]).map(({ n }) => n)
        assert.deepEqual(
          ofKey,
          ofKey.toSorted((a, b) => a - b),
        )
      }
    })

    test('small events are read with their data, and no more of it than there is room for', async () => {
      const events = Array.from({ length: 300 }, (_, n) => ({ data: noise(2 * KIB), key: `key ${n % 20}` }))
      const most = 100 * KIB
      const tight = await relayed(events, { maxInFlightBytes: most })
      assert.ok(tight.watch.mostRead <= most, `${tight.watch.mostRead} bytes in one statement`)
      const wide = await relayed(events, { maxInFlightBytes: 32 * 1_024 * KIB })
      assert.equal(wide.watch.statements, 0, 'one statement has all')
    })

    test('one event larger than all room goes, by itself, and the others go on', async () => {
      // Of what compresses well the database knows the size only when it is expanded.
      for (const large of [noise(3_000 * KIB), 'x'.repeat(3_000 * KIB)]) {
        const data = ['first', noise(200 * KIB), large, noise(200 * KIB), large, 'last']
        const { watch, backend } = await relayed(data.map((one) => ({ data: one, key: 'k' })))
        assert.deepEqual(dataOf(backend.received), data)
        assert.ok(watch.mostHeld <= 3_001 * KIB, 'nothing large beside it')
      }
    })
  })
}

test('a backend that hangs with all the room it may have leaves some to the others', async () => {
  const { promise: hangs, resolve: letGo } = Promise.withResolvers<void>()
  const held: Backend = {
    async send(events) {
      await hangs
      return events.map(() => delivered)
    },
    healthCheck: async () => ({ healthy: true }),
    close: async () => undefined,
  }
  const watch = new Watch(memoryStore({ lanes: 4 }) as Store)
  const slow = new Slow()
  await using outbox = new TestOutbox({ held, slow }, watch.store)
  const { broadcaster } = outbox
  const events = Array.from({ length: 30 }, () => ({ type: 'a', source: '/a', data: noise(100 * KIB) }))
  const backends = ['held', 'slow']
  await broadcaster.transaction((tx) => broadcaster.publishMany(tx, events, { backend: backends }))
  await broadcaster.worker({ ...SIZES, sendTimeout: 20_000, lease: 60_000 }).start()
  await outbox.until(() => slow.received.length === events.length)
  assert.ok(watch.mostHeld <= SIZES.maxInFlightBytes, `${watch.mostHeld} bytes in memory`)
  letGo()
})
