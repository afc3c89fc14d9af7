import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Backend } from '../../src/backend/backend.ts'
import { handlers } from '../../src/backend/handlers/handlers.ts'
import { PermanentError } from '../../src/backend/send-error.ts'
import { HandlerRegistry } from '../../src/handlers/handler-registry.ts'
import { webhook } from '../../src/webhook/webhook.ts'
import { Receiver } from '../backend/receiver.ts'
import { TestOutbox } from '../relay/outbox.ts'

/*
 * One event of each hostile kind among many good ones. The good ones arrive in order and are charged nothing; one that
 * hangs or fails for a while delays them by two sends at most, and it alone is charged; a permanent refusal is failed at
 * once. Brokers have theirs in poison-brokers and poison-redis-mqtt.
 */
const FULL = process.env['BROADCASTER_FULL'] === '1'
const GOOD = FULL ? 1_000 : 300
const TIMEOUT = 500
const never = (): Promise<never> => new Promise(() => undefined)

interface Place {
  readonly backend: Backend
  /** Keys and numbers of the good events, as they arrived, and when. */
  readonly arrived: { readonly key: string; readonly n: number; readonly at: number }[]
  /** Types of hostile events: whether each is refused for good. */
  readonly hostile: Readonly<Record<string, 'permanent' | 'passing'>>
  close(): Promise<void>
}

async function webhookPlace(): Promise<Place> {
  const receiver = await Receiver.start()
  const arrived: Place['arrived'][number][] = []
  receiver.reply = (request, response) => {
    // A health check, or a sign of life.
    if (request.method !== 'POST') return void response.writeHead(204).end()
    const event = JSON.parse(request.body.toString()) as { type: string; data: number; partitionkey: string }
    if (event.type === 'hangs') return
    if (event.type === 'refused') return void response.writeHead(400).end()
    if (event.type === 'fails') return void response.writeHead(500).end()
    if (event.type === 'switches') return void response.socket?.end('HTTP/1.1 101 Switching Protocols\r\n\r\n')
    arrived.push({ key: event.partitionkey, n: event.data, at: performance.now() })
    response.writeHead(204).end()
  }
  return {
    backend: webhook({ url: receiver.url, timeout: TIMEOUT, allowPrivateNetworks: true } as Parameters<
      typeof webhook
    >[0]),
    arrived,
    hostile: { hangs: 'passing', refused: 'permanent', fails: 'passing', switches: 'permanent' },
    close: () => receiver.stop(),
  }
}

async function handlersPlace(): Promise<Place> {
  const arrived: Place['arrived'][number][] = []
  const registry = new HandlerRegistry()
  registry.onAll(
    ({ type, data, partitionKey }) => {
      if (type === 'hangs') return never()
      if (type === 'refused') throw new PermanentError('never')
      if (type === 'throws') throw new Error('no')
      arrived.push({ key: partitionKey ?? '', n: data as number, at: performance.now() })
      return undefined
    },
    { name: 'all' },
  )
  return {
    backend: handlers(registry, { timeout: TIMEOUT }),
    arrived,
    hostile: { hangs: 'passing', refused: 'permanent', throws: 'passing' },
    close: async () => undefined,
  }
}

for (const [name, open] of Object.entries({ webhook: webhookPlace, handlers: handlersPlace })) {
  test(`one event of each hostile kind among ${GOOD} good ones: ${name}`, async () => {
    const place = await open()
    try {
      await using outbox = new TestOutbox({ poisoned: place.backend })
      const { broadcaster } = outbox
      const good = Array.from({ length: GOOD }, (_, n) => ({
        type: 'good',
        source: '/poison',
        data: n,
        partitionKey: `key-${n % 20}`,
      }))
      const bad = Object.keys(place.hostile).map((type) => ({ type, source: '/poison', data: -1, partitionKey: type }))
      const events = [...good.slice(0, GOOD / 2), ...bad, ...good.slice(GOOD / 2)]
      await broadcaster.transaction((tx) => broadcaster.publishMany(tx, events, { backend: 'poisoned', maxRetries: 2 }))
      const started = performance.now()
      await broadcaster.worker({ sendTimeout: TIMEOUT, retry: { base: 100, jitter: 'none' } }).start()
      await outbox.until(() => outbox.heard('event.published').length === GOOD)
      const permanent = Object.values(place.hostile).filter((kind) => kind === 'permanent').length
      await outbox.until(() => outbox.heard('event.failed').length >= permanent)
      await outbox.until(() => outbox.heard('event.failed').length === bad.length)

      const gaps = place.arrived.map(({ at }, n) => at - (place.arrived[n - 1]?.at ?? started))
      assert.ok(Math.max(...gaps) < 2 * TIMEOUT, `a good event came ${Math.max(...gaps)} ms after the one before`)
      for (const group of Map.groupBy(place.arrived, ({ key }) => key).values()) {
        const numbers = group.map(({ n }) => n)
        assert.deepEqual(
          numbers,
          numbers.toSorted((one, other) => one - other),
        )
      }
      for (const event of await broadcaster.events.all()) {
        const kind = place.hostile[event.eventType]
        const expected = kind === undefined ? 0 : kind === 'permanent' ? 1 : 3
        assert.equal(event.retryCount, expected, event.eventType)
        assert.equal(event.status, kind === undefined ? 'published' : 'failed')
      }
      assert.equal(outbox.heard('backend.down').length, 0)
    } finally {
      await place.close()
    }
  })
}
