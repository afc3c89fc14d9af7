/** Statements of every kind whose answer is lost, and that run late, at random, while an operator acts. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { BroadcasterError } from '../../src/errors.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import type { OutboxEvent } from '../../src/record/outbox-event.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { TestOutbox } from './outbox.ts'

const KEYS = 4
const EVENTS = 600
/** How long a statement that runs late is on its way at most, in ms. */
const LATEST = 1_000
/** The share of those that are late which run just before a statement of somebody else, and of those just after it. */
const ARRIVES = 0.15
/** The network is bad until all is sent, or for so long, in ms. */
const LONGEST = 12_000

type Statement = 'fetch' | 'unpark' | 'settle' | 'reconcile' | 'claim' | 'quiet' | 'release'

interface Trouble {
  /** The share of these statements that end without an answer. */
  readonly lost: Partial<Record<Statement, number>>
  /** The mean pause between two actions of the operator, in ms. */
  readonly acts: number
  /** The longest a read is on its way to the database, in ms. */
  readonly slow: number
}

/**
 * They fail, nearly always, when a lane goes on under its fence after an answer was lost (decision 0080). What holds' numbers and the heads that an
 * unpark names are for comes too rarely by chance: `late-statements.test.ts` arranges it.
 */
const TROUBLES: Readonly<Record<string, Trouble>> = {
  'outcomes are late': { lost: { settle: 0.15 }, acts: 500, slow: 10 },
  'more outcomes are late': { lost: { settle: 0.25 }, acts: 1_000, slow: 10 },
  'all are late': {
    lost: { fetch: 0.005, unpark: 0.02, settle: 0.2, reconcile: 0.1, claim: 0.1, quiet: 0.2, release: 0.1 },
    acts: 100,
    slow: 20,
  },
}

describe('statements that run late', { concurrency: true }, () => {
  for (const [n, [name, trouble]] of Object.entries(TROUBLES).entries()) {
    test(`${name}, at random, while an operator acts: nothing lost, every key in order`, async () => {
      const random = randomOf(n + 1)
      const store = memoryStore({ lanes: 2 }) as Store
      await using outbox = new TestOutbox({}, store)
      const { events } = outbox.broadcaster
      outbox.backend.behaviour = async () => {
        await pause(random() * 5)
        return random() < 0.15 ? notDelivered(new Error('no')) : delivered
      }
      const network = holdBack(store, random, trouble)
      const worker = {
        batchSize: 1,
        concurrency: 2,
        maxInHand: 3,
        lease: 2_000,
        retry: { base: 40, factor: 1, jitter: 'none' },
        // It would mend what went wrong.
        reconcileInterval: 600_000,
      } as const
      const keys = Array.from({ length: EVENTS }, () => `key-${Math.floor(random() * KEYS)}`)
      const published = await outbox.publish(keys)
      await outbox.broadcaster.worker(worker).start()
      await outbox.broadcaster.worker(worker).start()

      const sent = (): ReadonlySet<string> => new Set(outbox.backend.received.map(({ id }) => id))
      const cancelled = new Map<string, number>()
      const touched = new Set<string>()
      const waiting = (): readonly OutboxEvent[] => {
        const there = sent()
        return published.filter(({ id }) => !there.has(id) && !cancelled.has(id))
      }
      /** Acts on one of those that are about to be sent, and once on each: what is cancelled stays so. */
      const act = async (): Promise<void> => {
        const next = waiting().filter(({ id }) => !touched.has(id))
        const id = next[Math.floor(random() * Math.min(next.length, 5))]?.id
        if (id === undefined) return
        touched.add(id)
        if (random() < 0.3) await events.requeue(id, { patience: 1_000 })
        else if ((await events.cancel(id, { patience: 1_000 })).moved.length > 0)
          cancelled.set(id, outbox.backend.received.length)
      }
      const acting: Promise<void>[] = []
      const end = performance.now() + LONGEST
      while (waiting().length > 0 && performance.now() < end) {
        await pause(trouble.acts * 2 * random())
        acting.push(act())
      }
      await Promise.all(acting)
      await network.end()
      const deadline = performance.now() + 60_000
      while (waiting().length > 0 && performance.now() < deadline) await pause(20)
      assert.ok(network.lost >= 5, `only ${network.lost} statements were held back`)
      assert.equal(waiting().length, 0, 'lost')
      assert.equal(overtaken(outbox.backend.received), 0, 'out of order')
      const after = [...cancelled].filter(([id, at]) =>
        outbox.backend.received.slice(at).some((each) => each.id === id),
      )
      assert.deepEqual(after, [], 'sent after it was cancelled')
    })
  }
})

/**
 * Statements of the workers whose answer is lost at random: some have run by then, some run later: just before or after another
 * one, where they do most harm, or when their time is over.
 */
function holdBack({ relay, coordination, admin }: Store, random: () => number, { lost: shares, slow }: Trouble) {
  /** And the time from which each may run. */
  const late = new Map<() => Promise<unknown>, number>()
  let going = true
  let lost = 0
  const arrive = async (run: () => Promise<unknown>): Promise<void> => {
    if (late.delete(run)) await run()
  }
  const between = async <T>(run: () => Promise<T>): Promise<T> => {
    const some = async (): Promise<void> => {
      for (const [each, from] of late) if (performance.now() >= from && random() < ARRIVES) await arrive(each)
    }
    await some()
    const answer = await run()
    await some()
    return answer
  }
  const through = async <T>(statement: Statement, run: () => Promise<T>): Promise<T> => {
    if (!going || random() >= (shares[statement] ?? 0)) return between(run)
    lost++
    if (random() < 0.3) await run()
    else {
      const delay = LATEST * random()
      late.set(run, performance.now() + delay)
      setTimeout(() => void arrive(run), delay + LATEST / 2)
    }
    await pause(random() * 10)
    throw new BroadcasterError('STORE_UNAVAILABLE', 'the answer did not come')
  }
  const { fetch, fetchFew, unpark, settle, reconcile } = relay
  relay.fetch = async (...given) => {
    if (going && random() < 0.3) await pause(random() * slow)
    return through('fetch', () => fetch(...given))
  }
  if (fetchFew !== undefined) {
    relay.fetchFew = async (...given) => {
      if (going && random() < 0.3) await pause(random() * slow)
      return through('fetch', () => fetchFew(...given))
    }
  }
  relay.unpark = (...given) => through('unpark', () => unpark(...given))
  relay.settle = (...given) => through('settle', () => settle(...given))
  relay.reconcile = (...given) => through('reconcile', () => reconcile(...given))
  const { claim, quiet, release } = coordination
  coordination.claim = (...given) => through('claim', () => claim(...given))
  coordination.quiet = (...given) => through('quiet', () => quiet(...given))
  coordination.release = (...given) => through('release', () => release(...given))
  const { hold, move } = admin
  admin.hold = (...given) => between(() => hold(...given))
  admin.move = (...given) => between(() => move(...given))
  return {
    get lost(): number {
      return lost
    },
    /** No more of it. Resolves when all that is late has run. */
    async end(): Promise<void> {
      going = false
      await Promise.all([...late.keys()].map(arrive))
    },
  }
}

/** First deliveries that came after the first one of a later event of their key. */
function overtaken(received: readonly OutgoingEvent[]): number {
  const seen = new Set<string>()
  const last = new Map<string, number>()
  let count = 0
  for (const { id, seq, partitionKey } of received) {
    if (seen.has(id) || partitionKey === undefined) continue
    seen.add(id)
    const before = last.get(partitionKey) ?? 0
    if (seq < before) count++
    last.set(partitionKey, Math.max(before, seq))
  }
  return count
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
