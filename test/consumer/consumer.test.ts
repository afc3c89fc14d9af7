import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { OutageError, PermanentError, RetryAfterError } from '../../src/backend/send-error.ts'
import { Consumer } from '../../src/consumer/consumer.ts'
import type { ConsumerOptions } from '../../src/consumer/consumer-options.ts'
import { type MemorySubscription, memorySubscription } from '../../src/consumer/memory/memory-subscription.ts'
import { verdictOn } from '../../src/consumer/verdict.ts'
import { BroadcasterError } from '../../src/errors.ts'
import type { CloudEvent } from '../../src/event/cloud-event.ts'
import type { DeliveryEvent } from '../../src/event/delivery-event.ts'
import { Inbox } from '../../src/inbox/inbox.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { onSignal } from '../../src/telemetry/signals.ts'

let ids = 0

function event(data: unknown, overrides: Record<string, unknown> = {}): CloudEvent {
  return { specversion: '1.0', id: `e-${++ids}`, source: '/orders', type: 'order.created', data, ...overrides }
}

interface Running {
  readonly subscription: MemorySubscription
  readonly consumer: Consumer
}

/** A consumer of the memory broker and store that runs as long as `work`. */
async function running(
  options: Partial<ConsumerOptions> & Pick<ConsumerOptions, 'handlers'>,
  work: (running: Running) => Promise<void>,
): Promise<void> {
  const subscription = memorySubscription()
  const given = { name: 'billing', subscription, retry: { base: 1, jitter: 'none' }, ...options } as const
  const consumer = new Consumer(
    given.inbox === undefined && given.store === undefined ? { ...given, store: memoryStore() } : given,
  )
  await consumer.start()
  try {
    await work({ subscription, consumer })
  } finally {
    await consumer.stop()
  }
}

/** Messages of a signal while `work` runs. */
async function listening<T>(name: Parameters<typeof onSignal>[0], work: (heard: unknown[]) => Promise<T>): Promise<T> {
  const heard: unknown[] = []
  const stop = onSignal(name, (message) => heard.push(message))
  try {
    return await work(heard)
  } finally {
    stop()
  }
}

describe('handling', () => {
  test('each event is handled and acknowledged; its trace goes through', async () => {
    const seen: DeliveryEvent[] = []
    await running({ handlers: { 'order.*': (received) => seen.push(received) } }, async ({ subscription }) => {
      const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
      subscription.deliver(event({ n: 1 }, { traceparent }), event({ n: 2 }))
      await subscription.settled()
      assert.deepEqual(
        seen.map(({ data }) => data),
        [{ n: 1 }, { n: 2 }],
      )
      assert.equal(seen[0]?.extensions['traceparent'], traceparent)
      assert.equal(subscription.acknowledged.length, 2)
    })
  })

  test('an event that comes again is not handled again, but for another consumer it is', async () => {
    const store = memoryStore()
    const handled: string[] = []
    const twice = event({})
    for (const name of ['billing', 'shipping']) {
      const handlers = { '*': () => handled.push(name) }
      await running({ name, store, handlers }, async ({ subscription }) => {
        await listening('delivery.duplicate', async (heard) => {
          subscription.deliver(twice, twice)
          await subscription.settled()
          assert.equal(heard.length, 1)
        })
      })
    }
    assert.deepEqual(handled, ['billing', 'shipping'])
  })

  test('without an inbox it is handled again', async () => {
    let handled = 0
    await running({ inbox: false, handlers: { '*': () => handled++ } }, async ({ subscription }) => {
      const twice = event({})
      subscription.deliver(twice, twice)
      await subscription.settled()
    })
    assert.equal(handled, 2)
  })

  test('all handlers that match run, in the order given, in one transaction', async () => {
    const seen: string[] = []
    const transactions = new Set<unknown>()
    const note =
      (name: string) =>
      (_event: unknown, { tx }: { tx: unknown }): void => {
        seen.push(name)
        transactions.add(tx)
      }
    const handlers = { '*': note('all'), 'order.created': note('one'), 'invoice.*': note('other') }
    await running({ handlers }, async ({ subscription }) => {
      subscription.deliver(event({}))
      await subscription.settled()
    })
    assert.deepEqual(seen, ['all', 'one'])
    assert.equal(transactions.size, 1)
  })

  test('an event without a handler is acknowledged, and told of', async () => {
    await running({ handlers: { 'invoice.*': assert.fail } }, async ({ subscription }) => {
      await listening('delivery.ignored', async (heard) => {
        subscription.deliver(event({}))
        await subscription.settled()
        assert.equal(heard.length, 1)
      })
    })
  })

  test('data is what the schema of the catalogue gives; what it refuses is given up at once', async () => {
    const seen: unknown[] = []
    const options = {
      events: { 'order.created': z.object({ total: z.number().default(7) }) },
      handlers: { 'order.created': ({ data }: DeliveryEvent) => seen.push(data) },
    }
    await running(options as never, async ({ subscription }) => {
      subscription.deliver(event({ extra: true }), event({ total: 'much' }))
      await subscription.settled()
      assert.deepEqual(seen, [{ total: 7 }])
      const [letter] = subscription.deadLetters
      assert.match(String(letter?.reason.error), /data\.total is refused by the schema of order\.created/)
      assert.equal(letter?.reason.attempts, 1)
    })
  })

  test('a message that is not an event is given up untried', async () => {
    await running({ handlers: { '*': assert.fail } }, async ({ subscription }) => {
      const problem = new Error('not JSON')
      subscription.deliverUnreadable(problem)
      await subscription.settled()
      assert.deepEqual(subscription.deadLetters, [
        { event: undefined, reason: { consumer: 'billing', error: problem, attempts: 0 } },
      ])
    })
  })
})

describe('failures', () => {
  test('a handler that fails is called again; what it wrote is rolled back', async () => {
    const attempts: number[] = []
    const handlers = {
      '*': (_event: unknown, { attempt }: { attempt: number }) => {
        attempts.push(attempt)
        if (attempt < 3) throw new Error('not yet')
      },
    }
    await running({ handlers }, async ({ subscription }) => {
      subscription.deliver(event({}))
      await subscription.settled()
      assert.equal(subscription.acknowledged.length, 1)
    })
    assert.deepEqual(attempts, [1, 2, 3])
  })

  test('after maxRetries more attempts it is given up, and later events of its key are handled', async () => {
    const seen: unknown[] = []
    const handlers = {
      '*': ({ data }: DeliveryEvent) => {
        seen.push(data)
        if (data === 'poison') throw new Error('no')
      },
    }
    await running({ handlers, maxRetries: 2 }, async ({ subscription }) => {
      subscription.deliver(event('poison', { partitionkey: 'k' }), event('next', { partitionkey: 'k' }))
      await subscription.settled()
      assert.deepEqual(seen, ['poison', 'poison', 'poison', 'next'])
      assert.equal(subscription.deadLetters[0]?.reason.attempts, 3)
    })
  })

  test('PermanentError gives up at once, RetryAfterError waits, an outage costs no attempt', async () => {
    const times: number[] = []
    let outages = 0
    const handlers = {
      permanent: () => {
        throw new PermanentError('never')
      },
      later: () => {
        times.push(performance.now())
        if (times.length === 1) throw new RetryAfterError('later', { retryAfter: 60 })
      },
      outage: () => {
        if (++outages <= 4) throw new OutageError('the bank is closed')
      },
    }
    await running({ handlers, maxRetries: 1 }, async ({ subscription }) => {
      subscription.deliver(event(1, { type: 'permanent' }), event(2, { type: 'later' }), event(3, { type: 'outage' }))
      await subscription.settled()
      assert.deepEqual(
        subscription.deadLetters.map(({ event: given }) => given?.attributes['type']),
        ['permanent'],
      )
    })
    assert.ok((times[1] ?? 0) - (times[0] ?? 0) >= 59)
    assert.equal(outages, 5)
  })

  test('a transaction that cannot begin costs no attempt', async () => {
    const store = memoryStore()
    let refusals = 0
    const unreliable = {
      ...store,
      transaction: (work: never) => {
        if (++refusals <= 4) return Promise.reject(new Error('the database is away'))
        return store.transaction(work)
      },
    }
    await running({ store: unreliable as never, handlers: { '*': () => undefined }, maxRetries: 0 }, async (it) => {
      it.subscription.deliver(event({}))
      await it.subscription.settled()
      assert.equal(it.subscription.acknowledged.length, 1)
      assert.ok(refusals > 4)
    })
  })

  test('deeply nested data with a long number is handled, whoever listens', async () => {
    const deep = `{"n":9007199254740993,"d":${'['.repeat(5_000)}${']'.repeat(5_000)}}`
    const attributes = { specversion: '1.0', id: 'deep', source: '/orders', type: 'order.created', partitionkey: 'k' }
    const seen: unknown[] = []
    const handlers = {
      '*': ({ id, data }: DeliveryEvent, { attempt }: { attempt: number }) => {
        if (attempt === 1) throw new Error('not yet')
        seen.push([id, (data as { readonly n?: bigint } | undefined)?.n])
      },
    }
    await running({ handlers }, async ({ subscription }) => {
      await listening('delivery.retried', async (heard) => {
        subscription.deliver({ attributes, dataJson: deep, dataBinary: null })
        await subscription.settled()
        assert.equal(heard.length, 1)
      })
    })
    assert.deepEqual(seen, [['deep', 9007199254740993n]])
  })

  test('data that cannot be parsed is given up; its key goes on, whoever listens', async () => {
    // A subscription of the user's own may hand over whatever it likes.
    const attributes = { specversion: '1.0', id: 'broken', source: '/orders', type: 'order.created', partitionkey: 'k' }
    const seen: unknown[] = []
    const handlers = { 'order.*': ({ data }: DeliveryEvent) => seen.push(data) }
    const names = ['delivery.retried', 'delivery.handled', 'delivery.ignored'] as const
    const stops = names.map((name) => onSignal(name, () => undefined))
    try {
      await running({ handlers, maxRetries: 1 }, async ({ subscription }) => {
        await listening('delivery.failed', async (heard) => {
          const broken = { attributes, dataJson: '{', dataBinary: null }
          const ignored = { ...broken, attributes: { ...attributes, type: 'invoice.paid' } }
          subscription.deliver(broken, ignored, event('next', { partitionkey: 'k' }))
          await subscription.settled()
          assert.equal(heard.length, 1)
          const told = (heard[0] as { readonly event?: DeliveryEvent }).event
          assert.equal(told?.id, 'broken')
          assert.throws(() => told?.data, SyntaxError)
          assert.equal(subscription.deadLetters.length, 1)
        })
      })
    } finally {
      for (const stop of stops) stop()
    }
    assert.deepEqual(seen, ['next'])
  })

  test('a retry function that throws, or gives no number, counts as the default', async () => {
    for (const retry of [(): never => assert.fail(), () => undefined as never]) {
      let attempts = 0
      const handlers = {
        '*': () => {
          if (++attempts === 1) throw new Error('not yet')
        },
      }
      await running({ handlers, retry }, async ({ subscription }) => {
        subscription.deliver(event({}))
        await subscription.settled()
        assert.equal(subscription.acknowledged.length, 1)
      })
    }
  })

  test("onGiveUp: 'stop' stops the consumer, and the message stays at the broker", async () => {
    const subscription = memorySubscription()
    const error = new PermanentError('never')
    const consumer = new Consumer({
      name: 'billing',
      subscription,
      store: memoryStore(),
      onGiveUp: 'stop',
      handlers: {
        '*': () => {
          throw error
        },
      },
    })
    subscription.deliver(event({}))
    await assert.rejects(consumer.run(), error)
    assert.equal(subscription.pending, 1)
  })
})

describe('order and concurrency', () => {
  test('the events of a key are handled in order, through retries, while other keys go on', async () => {
    const seen: string[] = []
    const failed = new Set<string>()
    let busiest = 0
    let busy = 0
    const handlers = {
      '*': async ({ data }: DeliveryEvent) => {
        busiest = Math.max(busiest, ++busy)
        await new Promise((resolve) => setTimeout(resolve, 1))
        busy--
        const name = String(data)
        if (name.endsWith('3') && !failed.has(name)) {
          failed.add(name)
          throw new Error('once')
        }
        seen.push(name)
      },
    }
    await running({ handlers, concurrency: 4 }, async ({ subscription }) => {
      const sent = Array.from({ length: 50 }, (_, n) =>
        ['a', 'b', 'c', 'd', 'e', 'f'].map((key) => event(`${key}${n}`, { partitionkey: key })),
      ).flat()
      subscription.deliver(...sent)
      await subscription.settled()
      for (const key of 'abcdef') {
        assert.deepEqual(
          seen.filter((name) => name.startsWith(key)),
          Array.from({ length: 50 }, (_, n) => `${key}${n}`),
        )
      }
    })
    assert.equal(busiest, 4)
  })

  test('no more is received than maxInHand while handlers are slow', async () => {
    const block = Promise.withResolvers<void>()
    await running(
      { handlers: { '*': () => block.promise }, concurrency: 2, maxInHand: 5 },
      async ({ subscription }) => {
        let most = 0
        const { receive } = subscription
        subscription.receive = async (limit, signal) => {
          most = Math.max(most, limit)
          return receive(limit, signal)
        }
        subscription.deliver(...Array.from({ length: 50 }, (_, n) => event(n)))
        block.resolve()
        await subscription.settled()
        assert.ok(most <= 5)
        assert.equal(subscription.acknowledged.length, 50)
      },
    )
  })

  test('what is lost while it waits for a retry is handled as soon as it comes again', {
    timeout: 20_000,
  }, async () => {
    const seen: unknown[] = []
    const retried = Promise.withResolvers<unknown>()
    const stop = onSignal('delivery.retried', retried.resolve)
    const handlers = {
      '*': ({ data }: DeliveryEvent) => {
        seen.push(data)
        if (seen.length === 1) throw new Error('not today')
      },
    }
    await running({ handlers, retry: { base: 60_000, jitter: 'none' } }, async ({ subscription }) => {
      subscription.deliver(event(1, { partitionkey: 'k' }), event(2, { partitionkey: 'k' }))
      await retried.promise
      subscription.disconnect()
      await subscription.settled()
      assert.deepEqual(seen, [1, 1, 2])
    }).finally(stop)
  })

  test('a lost connection in the middle loses nothing and handles nothing twice', async () => {
    const seen: unknown[] = []
    const handlers = {
      '*': async ({ data }: DeliveryEvent) => {
        await new Promise((resolve) => setTimeout(resolve, 1))
        seen.push(data)
      },
    }
    await running({ handlers }, async ({ subscription }) => {
      const numbers = Array.from({ length: 300 }, (_, n) => n)
      subscription.deliver(...numbers.map((n) => event(n, { partitionkey: `k${n % 3}` })))
      for (let n = 0; n < 5; n++) {
        await new Promise((resolve) => setTimeout(resolve, 10))
        subscription.disconnect()
      }
      await subscription.settled()
      // The memory transaction rolls back no array: what counts is that each key is in order, without a gap.
      for (const key of [0, 1, 2]) {
        const ofKey = seen.filter((n) => Number(n) % 3 === key)
        assert.deepEqual(
          [...new Set(ofKey)],
          numbers.filter((n) => n % 3 === key),
        )
      }
      assert.equal(seen.length, 300)
    })
  })
})

describe('start and stop', () => {
  test('stop takes stopTimeout, and a second for what was aborted, whatever does not end', async () => {
    const stuck = new Promise<never>(() => undefined)
    const subscription = memorySubscription()
    const { receive } = subscription
    let first = true
    subscription.receive = (...given) => {
      if (!first) return stuck
      first = false
      return receive.apply(subscription, given)
    }
    const begun = Promise.withResolvers<void>()
    const consumer = new Consumer({
      name: 'billing',
      subscription,
      store: memoryStore(),
      stopTimeout: 1_500,
      handlers: {
        '*': () => {
          begun.resolve()
          return stuck
        },
      },
    })
    await consumer.start()
    subscription.deliver(event({}))
    await begun.promise
    const started = performance.now()
    await consumer.stop()
    const took = performance.now() - started
    assert.ok(took >= 1_500 && took < 15_000, `${took} ms`)
  })

  test('stop ends and says so, though the subscription never closes', async () => {
    const subscription = memorySubscription()
    const released = Promise.withResolvers<void>()
    const { close } = subscription
    subscription.close = async () => {
      await released.promise
      await close.call(subscription)
    }
    const consumer = new Consumer({
      name: 'never-closes',
      subscription,
      store: memoryStore(),
      stopTimeout: 0,
      handlers: { '*': () => undefined },
    })
    const told: unknown[] = []
    const unlisten = onSignal('consumer.error', ({ consumer, error }) => {
      if (consumer === 'never-closes') told.push(error)
    })
    await consumer.start()
    const began = performance.now()
    await consumer.stop()
    unlisten()
    const took = performance.now() - began
    assert.ok(took < 15_000, `${took} ms`)
    assert.deepEqual(
      told.map((error) => error instanceof BroadcasterError && error.code),
      ['CLOSE_TIMEOUT'],
    )
    released.resolve()
  })

  test('stop waits for handlers, and gives back what was not begun, in order', async () => {
    const subscription = memorySubscription()
    const release = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const consumer = new Consumer({
      name: 'billing',
      subscription,
      store: memoryStore(),
      concurrency: 1,
      handlers: {
        '*': () => {
          begun.resolve()
          return release.promise
        },
      },
    })
    await consumer.start()
    const sent = [1, 2, 3].map((n) => event(n, { partitionkey: 'k' }))
    subscription.deliver(...sent)
    await begun.promise
    const stopping = consumer.stop()
    release.resolve()
    await stopping
    assert.equal(subscription.acknowledged.length, 1)
    const other = memorySubscription({ sharedWith: subscription })
    const rest = await other.receive(10, AbortSignal.timeout(1_000))
    assert.deepEqual(
      rest.map((delivery) => delivery.event?.attributes['id']),
      sent.slice(1).map(({ id }) => id),
    )
    await other.close()
  })

  test('stop aborts handlers that take longer than stopTimeout', async () => {
    const subscription = memorySubscription()
    const begun = Promise.withResolvers<void>()
    const consumer = new Consumer({
      name: 'billing',
      subscription,
      store: memoryStore(),
      stopTimeout: 20,
      handlers: {
        '*': (_event, { signal }) =>
          new Promise((_resolve, reject) => {
            begun.resolve()
            signal.addEventListener('abort', () => reject(signal.reason))
          }),
      },
    })
    await consumer.start()
    subscription.deliver(event({}))
    await begun.promise
    await consumer.stop()
    assert.equal(subscription.pending, 1)
  })

  test('the signal aborts after handlerTimeout, and that costs an attempt', async () => {
    const handlers = {
      '*': (_event: unknown, { signal }: { signal: AbortSignal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('too slow')))
        }),
    }
    await running({ handlers, handlerTimeout: 10, maxRetries: 1 }, async ({ subscription }) => {
      subscription.deliver(event({}))
      await subscription.settled()
      assert.equal(subscription.deadLetters[0]?.reason.attempts, 2)
    })
  })

  test('a handler that never ends costs an attempt, and keeps neither its key nor its place', async () => {
    let calls = 0
    const handlers = { '*': () => (++calls === 1 ? new Promise<void>(() => undefined) : undefined) }
    for (const inbox of [{}, { inbox: false }] as const) {
      calls = 0
      await running({ ...inbox, handlers, handlerTimeout: 10, concurrency: 1 }, async ({ subscription }) => {
        subscription.deliver(event({}, { partitionkey: 'k' }))
        subscription.deliver(event({}, { partitionkey: 'k' }))
        await subscription.settled()
        assert.equal(calls, 3)
        assert.equal(subscription.deadLetters.length, 0)
      })
    }
  })

  test('both may be called in any order and twice; a stopped one does not start again', async () => {
    const make = (): Consumer =>
      new Consumer({ name: 'billing', subscription: memorySubscription(), inbox: false, handlers: { '*': () => 1 } })
    const consumer = make()
    await Promise.all([consumer.start(), consumer.start()])
    await Promise.all([consumer.stop(), consumer.stop()])
    await assert.rejects(consumer.start(), { code: 'CLOSED' })
    const early = make()
    await early.stop()
    await assert.rejects(early.start(), { code: 'CLOSED' })
    const hasty = make()
    const starting = hasty.start()
    await hasty.stop()
    await starting
  })

  test('run ends when its signal aborts', async () => {
    const stop = new AbortController()
    const consumer = new Consumer({
      name: 'billing',
      subscription: memorySubscription(),
      inbox: false,
      handlers: { '*': () => 1 },
    })
    const run = consumer.run(stop.signal)
    stop.abort()
    await run
  })

  test('a receive that fails is tried again, and told of', async () => {
    const subscription = memorySubscription()
    const { receive } = subscription
    let failures = 0
    subscription.receive = async (limit, signal) => {
      if (++failures <= 2) throw new OutageError('away')
      return receive(limit, signal)
    }
    await listening('consumer.error', async (heard) => {
      const consumer = new Consumer({ name: 'billing', subscription, inbox: false, handlers: { '*': () => 1 } })
      await consumer.start()
      subscription.deliver(event({}))
      await subscription.settled()
      await consumer.stop()
      assert.equal(heard.length, 2)
    })
  })
})

describe('wrong options', () => {
  const subscription = memorySubscription()
  const handlers = { '*': () => 1 }
  const events = { 'order.placed': z.object({}), 'order.paid': z.object({}) }
  const cases: readonly (readonly [string, object, RegExp])[] = [
    ['no name', { name: '', inbox: false }, /name is ""/],
    ['a long name', { name: 'x'.repeat(101), inbox: false }, /1 to 100 characters/],
    ['no database', {}, /store is missing; give a store, or inbox and transaction, or inbox: false/],
    ['no handler', { inbox: false, handlers: {} }, /handlers is empty/],
    ['no function', { inbox: false, handlers: { a: 1 } }, /handlers\['a'\] is not a function/],
    [
      'a handler of a type that the catalogue does not have',
      { inbox: false, events, handlers: { 'order.placd': () => 1 } },
      /: handlers\.order\.placd is not an event of the catalogue; did you mean "order\.placed"/,
    ],
    [
      'a pattern that takes nothing of the catalogue, and a type that is close to none, beside others that do',
      { inbox: false, events, handlers: { '*': () => 1, 'order.*': () => 1, 'invoice.*': () => 1, x: () => 1 } },
      /:\n- handlers\.invoice\.\* matches no event of the catalogue; its events are order\.placed, order\.paid\n- handlers\.x is not an event of .*paid$/,
    ],
    ['an unknown key', { inbox: false, concurency: 1 }, /concurency is not an option; did you mean "concurrency"/],
    ['a number out of range', { inbox: false, concurrency: 0 }, /: concurrency is 0/],
    ['retry: null', { inbox: false, retry: null }, /: retry is null; give 'django', backoff options or a fun/],
    ['an unknown retry', { inbox: false, retry: 'linear' }, /: retry is "linear"/],
    [
      'a wrong retry',
      { inbox: false, retry: { bse: 10, cap: 'x' } },
      /retry\.bse is not an option.*base.*\n.*cap is "x"/,
    ],
    ['no subscription', { inbox: false, subscription: undefined }, /subscription is missing/],
    ['a wrong subscription', { inbox: false, subscription: {} }, /subscription has no open, receive and close/],
    ['no store', { store: null }, /store is null/],
    ['a wrong store', { store: {} }, /store is \{\}; give a store/],
    ['a wrong inbox', { inbox: true }, /inbox is true; give an Inbox, or false/],
    ['an inbox that is null', { inbox: null, store: memoryStore() }, /inbox is null/],
    ['a wrong transaction', { inbox: new Inbox({ store: memoryStore() }), transaction: 3 }, /transaction is 3; give/],
  ]
  for (const [what, wrong, message] of cases) {
    test(what, () => {
      const options = { name: 'billing', subscription, handlers, ...wrong }
      assert.throws(() => new Consumer(options as never), { code: 'INVALID_OPTION', message })
    })
  }
  test('handlers of the catalogue are taken, by type and by pattern, and any beside an empty one', () => {
    const wellFormed = { name: 'billing', subscription, inbox: false }
    const some = { 'order.paid': () => 1, '*.placed': () => 1, 'order.*': () => 1, '*': () => 1 }
    assert.ok(new Consumer({ ...wellFormed, events, handlers: some } as never))
    assert.ok(new Consumer({ ...wellFormed, events: {}, handlers: { x: () => 1 } } as never))
  })
  test('no options', () => {
    const none = undefined as never
    assert.throws(() => new Consumer(none), { code: 'INVALID_OPTION', message: /options are missing/ })
  })
})

test('a subscription that fails to close keeps nobody waiting: it is told, and run ends', async () => {
  const subscription = Object.assign(memorySubscription(), {
    close: () => Promise.reject(new Error('the broker hung up')),
  })
  const handlers = { '*': () => undefined }
  const consumer = new Consumer({ name: 'billing', subscription, store: memoryStore(), handlers })
  await listening('consumer.error', async (heard) => {
    const stop = new AbortController()
    const run = consumer.run(stop.signal)
    stop.abort()
    await run
    assert.deepEqual(
      heard.map((message) => String((message as { readonly error: unknown }).error)),
      ['Error: the broker hung up'],
    )
  })
})

test('a SQLite database that was busy costs no attempt', async () => {
  const { DatabaseSync } = await import('node:sqlite')
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-busy-'))
  const [one, other] = [new DatabaseSync(join(folder, 'a.db')), new DatabaseSync(join(folder, 'a.db'))]
  let busy: unknown
  try {
    one.exec('PRAGMA busy_timeout = 0; CREATE TABLE t (n); BEGIN IMMEDIATE')
    other.exec('PRAGMA busy_timeout = 0; BEGIN IMMEDIATE')
  } catch (error) {
    busy = error
  } finally {
    one.close()
    other.close()
    rmSync(folder, { recursive: true })
  }
  const options = { retry: { base: 1 }, maxRetries: 3 }
  const counted = (error: unknown): unknown => {
    const verdict = verdictOn(error, 1, 1, options, 0)
    return verdict.kind === 'retry' && verdict.counted
  }
  assert.equal(counted(busy), false)
  assert.equal(counted(new Error('else', { cause: busy })), false)
  assert.equal(counted(Object.assign(new Error('no such table'), { errcode: 1 })), true)
})
