import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { OutageError } from '../../src/backend/send-error.ts'
import { Consumer } from '../../src/consumer/consumer.ts'
import type { ConsumerOptions } from '../../src/consumer/consumer-options.ts'
import { type MemorySubscription, memorySubscription } from '../../src/consumer/memory/memory-subscription.ts'
import type { CloudEvent } from '../../src/event/cloud-event.ts'
import type { DeliveryEvent } from '../../src/event/delivery-event.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { onSignal } from '../../src/telemetry/signals.ts'

const MAX_DELIVERIES = 3
const KEYS = 6

function events(count: number): readonly CloudEvent[] {
  return Array.from({ length: count }, (_, n) => ({
    specversion: '1.0',
    id: `e-${n}`,
    source: '/orders',
    type: 'order.created',
    partitionkey: `k${n % KEYS}`,
  }))
}

/** What a handler may do beside throwing. */
interface Life {
  /** The process ends here: what it has open is rolled back, what it holds goes back, and nothing more of it happens. */
  die(): never
  /** How many handlers run now. */
  readonly busy: number
}

interface World {
  readonly queue: MemorySubscription
  readonly store: Store
  /** Whether the broker counts how often it hands a message out. */
  readonly counts: boolean
}

const world = (counts = true): World => ({ queue: memorySubscription(), store: memoryStore() as Store, counts })

/** One process that consumes until nothing is left, or it dies. Resolves with whether it lived. */
async function live(
  { queue, store, counts }: World,
  handle: (id: string, life: Life) => unknown,
  options: Partial<ConsumerOptions> = {},
): Promise<boolean> {
  const never = new Promise<never>(() => undefined)
  const death = new AbortController()
  const { signal: dead } = death
  const died = new Promise<void>((resolve) => dead.addEventListener('abort', () => resolve()))
  const subscription = memorySubscription({ sharedWith: queue })
  const { receive } = subscription
  subscription.receive = async (limit, signal) => {
    const deliveries = dead.aborted ? await never : await receive(limit, AbortSignal.any([signal, dead]))
    return counts ? deliveries : deliveries.map((delivery) => ({ ...delivery, count: 1 }))
  }
  const mortal = {
    ...store,
    transaction: (work: (tx: unknown) => Promise<unknown>) =>
      dead.aborted
        ? never
        : store.transaction(async (tx) => {
            const result = await work(tx)
            dead.throwIfAborted()
            return result
          }),
  } as Store
  let busy = 0
  const consumer = new Consumer({
    name: 'billing',
    subscription,
    store: mortal,
    concurrency: 4,
    maxDeliveries: MAX_DELIVERIES,
    pruneInboxAfter: null,
    stopTimeout: 0,
    retry: { base: 1, jitter: 'none' },
    handlers: {
      '*': async ({ id }: DeliveryEvent) => {
        busy++
        try {
          await new Promise((resolve) => setImmediate(resolve))
          dead.throwIfAborted()
          await handle(id, {
            busy,
            die() {
              death.abort(new Error('dead'))
              subscription.disconnect()
              throw dead.reason
            },
          })
        } finally {
          busy--
        }
      },
    },
    ...options,
  })
  await consumer.start()
  await Promise.race([died, queue.settled()])
  const stopped = consumer.stop()
  // The remains of a dead one end by themselves: nothing of it can be heard any more.
  if (!dead.aborted) await stopped
  return !dead.aborted
}

const deadLetters = ({ queue }: World): readonly unknown[] =>
  queue.deadLetters.map(({ event }) => event?.attributes['id'])

describe('an event that kills its process', { timeout: 20_000 }, () => {
  for (const counts of [true, false]) {
    test(`is given up, and nobody else, where the broker ${counts ? 'counts' : 'does not count'}`, async () => {
      const it = world(counts)
      const sent = events(60)
      it.queue.deliver(...sent)
      const handled = new Set<string>()
      const beside: number[] = []
      let deaths = 0
      const handle = (id: string, { die, busy }: Life): void => {
        if (id === 'e-20') {
          beside.push(busy - 1)
          deaths++
          die()
        }
        handled.add(id)
      }
      for (let lives = 0; lives < 20 && !(await live(it, handle)); lives++);
      assert.deepEqual(deadLetters(it), ['e-20'])
      assert.match(String(it.queue.deadLetters[0]?.reason.error), /died while they handled it alone/)
      assert.equal(handled.size, sent.length - 1, 'all others were handled')
      // Once to leave a mark; then each death counts, with nothing beside it.
      assert.equal(deaths, 1 + MAX_DELIVERIES)
      assert.deepEqual(beside.slice(1), [0, 0, 0])
    })
  }

  test('begins anew when it is published again after it was given up', async () => {
    const it = world()
    it.queue.deliver(...events(1))
    const die = (_id: string, life: Life): void => life.die()
    for (let lives = 0; lives < 20 && !(await live(it, die)); lives++);
    assert.deepEqual(deadLetters(it), ['e-0'])
    it.queue.deliver(...events(1))
    const handled: string[] = []
    await live(it, (id) => handled.push(id))
    assert.deepEqual(handled, ['e-0'])
  })

  test('at its second attempt is found too', async () => {
    const it = world()
    it.queue.deliver(...events(10))
    let lives = 0
    for (let lived = false; !lived && lives < 20; lives++) {
      const attempts = new Map<string, number>()
      lived = await live(it, (id, { die }) => {
        const attempt = (attempts.get(id) ?? 0) + 1
        attempts.set(id, attempt)
        if (id === 'e-5' && attempt === 2) die()
        if (id === 'e-5') throw new Error('not yet')
      })
    }
    assert.deepEqual(deadLetters(it), ['e-5'])
    assert.equal(lives, MAX_DELIVERIES + 2)
  })

  test('without an inbox is given up in the end, and nobody else', async () => {
    const it = world()
    const sent = events(60)
    it.queue.deliver(...sent)
    const handled = new Set<string>()
    let deaths = 0
    const handle = (id: string, { die }: Life): void => {
      if (id === 'e-20') {
        deaths++
        die()
      }
      handled.add(id)
    }
    for (let lives = 0; lives < 20 && !(await live(it, handle, { inbox: false })); lives++);
    assert.deepEqual(deadLetters(it), ['e-20'])
    assert.equal(handled.size, sent.length - 1, 'all others were handled')
    assert.ok(deaths <= 2 * MAX_DELIVERIES, `${deaths} deaths`)
  })
})

test('a handler that never ends holds up what is to be alone until its time is over, and no longer', {
  timeout: 20_000,
}, async () => {
  const subscription = memorySubscription()
  const { receive } = subscription
  subscription.receive = async (...given) =>
    (await receive(...given)).map((delivery) => ({
      ...delivery,
      count: delivery.event?.attributes['id'] === 'stuck' ? 1 : 2,
    }))
  const handled = new Set<string>()
  const [begun, all, end] = [0, 0, 0].map(() => Promise.withResolvers<void>())
  assert.ok(begun && all && end)
  const consumer = new Consumer({
    name: 'billing',
    subscription,
    inbox: false,
    maxDeliveries: 1,
    handlerTimeout: 20,
    handlers: {
      '*': async ({ id }: DeliveryEvent) => {
        begun.resolve()
        if (id === 'stuck') await end.promise
        else if (handled.add(id).size === KEYS - 1) all.resolve()
      },
    },
  })
  await consumer.start()
  const [first, ...others] = events(KEYS)
  assert.ok(first)
  subscription.deliver({ ...first, id: 'stuck' })
  await begun.promise
  subscription.deliver(...others)
  await all.promise
  end.resolve()
  await consumer.stop()
})

describe('what no process died of', { timeout: 20_000 }, () => {
  test('clean stops during an outage cost nobody anything', async () => {
    const it = world()
    const sent = events(60)
    it.queue.deliver(...sent)
    for (let restarts = 0; restarts < 4 * MAX_DELIVERIES; restarts++) {
      const subscription = memorySubscription({ sharedWith: it.queue })
      const retried = Promise.withResolvers<unknown>()
      const stopListening = onSignal('delivery.retried', retried.resolve)
      const consumer = new Consumer({
        name: 'billing',
        subscription,
        store: it.store,
        maxDeliveries: MAX_DELIVERIES,
        handlers: {
          '*': () => {
            throw new OutageError('the bank is closed')
          },
        },
      })
      await consumer.start()
      await retried.promise
      stopListening()
      await consumer.stop()
    }
    const handled = new Set<string>()
    assert.equal(await live(it, (id) => handled.add(id)), true)
    assert.deepEqual(deadLetters(it), [])
    assert.equal(handled.size, sent.length)
  })

  test('unrelated deaths cost nobody anything who waited', async () => {
    const it = world()
    const sent = events(60)
    it.queue.deliver(...sent)
    // Whatever is handled first: it is not the event, it is the machine.
    const tried = new Set<string>()
    for (let deaths = 0; deaths < MAX_DELIVERIES; deaths++) {
      await live(it, (id, { die }) => {
        tried.add(id)
        die()
      })
    }
    const handled = new Set<string>()
    assert.equal(await live(it, (id) => handled.add(id)), true)
    assert.deepEqual(deadLetters(it), [])
    assert.equal(handled.size, sent.length)
    assert.ok(tried.size < sent.length)
  })
})
