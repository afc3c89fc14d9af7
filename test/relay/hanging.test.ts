import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type Backend, delivered, notDelivered, type SendResult } from '../../src/backend/backend.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { recordingBackend, TestOutbox } from './outbox.ts'

const TIMEOUT = 200
const never = (): Promise<never> => new Promise(() => undefined)

/** A backend that answers for a send as `answer` says; `sends` counts how often each event was handed over. */
function backendOf(answer: (events: readonly OutgoingEvent[]) => unknown, more: Partial<Backend> = {}) {
  const backend = {
    ...recordingBackend(),
    sends: new Map<string, number>(),
    timeout: TIMEOUT,
    async send(events: readonly OutgoingEvent[]): Promise<readonly SendResult[]> {
      for (const { id } of events) backend.sends.set(id, (backend.sends.get(id) ?? 0) + 1)
      return (await answer(events)) as readonly SendResult[]
    },
    ...more,
  }
  return backend
}

const KEYS = Array.from({ length: 20 }, (_, n) => (n === 6 ? 'bad' : `key-${n}`))
const isBad = (event: { readonly partitionKey?: string | null | undefined }): boolean => event.partitionKey === 'bad'
const hostile = new Error('no')
Object.defineProperty(hostile, 'message', {
  get: () => {
    throw new Error('the message')
  },
})
Object.defineProperty(hostile, 'code', {
  get: () => {
    throw new Error('the code')
  },
})
const throwingOk = {
  get ok(): boolean {
    throw new Error('ok')
  },
}

/** What a send does that has the bad event in it. */
const ANSWERS: Record<string, (events: readonly OutgoingEvent[]) => unknown> = {
  'never ends': never,
  throws: () => Promise.reject(new TypeError('cannot encode')),
  'throws an error whose getters throw': () => Promise.reject(hostile),
  'returns nothing': () => undefined,
  'returns too few results': (events) => events.slice(1).map(() => delivered),
  'returns true for it': (events) => events.map((event) => (isBad(event) ? true : delivered)),
  'says no without an error': (events) => events.map((event) => (isBad(event) ? { ok: false } : delivered)),
  'returns a result whose ok throws': (events) => events.map((event) => (isBad(event) ? throwingOk : delivered)),
  'fails it with an error whose getters throw': (events) =>
    events.map((event) => (isBad(event) ? notDelivered(hostile) : delivered)),
}

/** Those answers that have a result for each of the others. */
const SAYS_OF_OTHERS = new Set([
  'returns true for it',
  'says no without an error',
  'returns a result whose ok throws',
  'fails it with an error whose getters throw',
])

describe('an event whose send', () => {
  for (const [what, answer] of Object.entries(ANSWERS)) {
    test(`${what} is the only one that is charged, and fails for good`, async () => {
      const bad = backendOf((events) => (events.some(isBad) ? answer(events) : events.map(() => delivered)))
      await using outbox = new TestOutbox({ bad }, memoryStore({ lanes: 1 }))
      await outbox.publish(KEYS, { backend: 'bad', maxRetries: 1 })
      const started = performance.now()
      await outbox.broadcaster.worker().start()
      await outbox.until(() => outbox.heard('event.published').length === 19)
      const took = performance.now() - started
      await outbox.until(() => outbox.heard('event.failed').length === 1)
      assert.equal(outbox.heard('event.retried').length, 1)
      assert.equal(outbox.heard('backend.down').length, 0)
      const events = await outbox.broadcaster.events.all()
      for (const event of events) assert.equal(event.retryCount, isBad(event) ? 2 : 0)
      const failed = events.find(isBad)
      assert.ok(failed && failed.lastError.length > 0 && failed.lastError !== 'undefined', failed?.lastError)
      assert.ok(took < 2 * TIMEOUT + 500, `the others took ${took} ms`)
      // What was said of the others counts: they are not sent again.
      const told = SAYS_OF_OTHERS.has(what)
      for (const { id } of events.filter((event) => !isBad(event))) assert.ok(!told || bad.sends.get(id) === 1, id)
    })
  }

  test('hung once keeps no other event waiting again', async () => {
    const together: number[] = []
    const bad = backendOf(async (events) => {
      // One at a time and not at once, so that others are always there to go with it.
      if (!events.some(isBad))
        return pause(
          20,
          events.map(() => delivered),
        )
      together.push(events.length)
      return never()
    })
    await using outbox = new TestOutbox({ bad }, memoryStore({ lanes: 1 }))
    await outbox.publish(KEYS, { backend: 'bad', maxRetries: 2 })
    await outbox.broadcaster.worker({ concurrency: 1 }).start()
    await outbox.until(() => outbox.heard('event.retried').length === 1)
    const more = setInterval(() => void outbox.publish([null], { backend: 'bad' }).catch(() => undefined), 5)
    await outbox.until(() => outbox.heard('event.failed').length === 1)
    clearInterval(more)
    assert.deepEqual(together, [20, 1, 1, 1])
  })
})

describe('a backend on which everything hangs', () => {
  for (const health of ['ill', 'well', 'hanging'] as const) {
    test(`is an outage, and charges nobody for good (${health} by its own word)`, async () => {
      let hangs = true
      const healthCheck = async () => (health === 'hanging' ? never() : { healthy: health === 'well' || !hangs })
      const bad = backendOf((events) => (hangs ? never() : events.map(() => delivered)), { healthCheck })
      await using outbox = new TestOutbox({ bad })
      await outbox.publish(KEYS, { backend: 'bad', maxRetries: 2 })
      await outbox.broadcaster.worker().start()
      await outbox.until(() => outbox.heard('backend.down').length === 1)
      // Probes fail too, and cost nothing.
      await outbox.until(() => [...bad.sends.values()].reduce((sum, n) => sum + n, 0) > 42)
      hangs = false
      await outbox.until(() => outbox.heard('event.published').length === 20)
      const charged = (await outbox.broadcaster.events.all()).reduce((sum, { retryCount }) => sum + retryCount, 0)
      assert.equal(charged, 0)
    })
  }
})

test('a transactional backend that answers undefined costs its event its attempts, and the others nothing', async () => {
  const local = {
    ...recordingBackend(),
    sendInTransaction: async (event: OutgoingEvent) => (isBad(event) ? undefined : delivered) as SendResult,
  }
  await using outbox = new TestOutbox({ local })
  await outbox.publish(KEYS, { backend: 'local', maxRetries: 1 })
  await outbox.broadcaster.worker().start()
  await outbox.until(() => outbox.heard('event.published').length === 19 && outbox.heard('event.failed').length === 1)
  assert.equal(outbox.heard('event.retried').length, 1)
})

for (const timeout of [Number.NaN, 0, -1, Number.POSITIVE_INFINITY, '5s']) {
  test(`a backend whose timeout is ${timeout} is refused when a worker is made, by name`, async () => {
    await using outbox = new TestOutbox({ odd: { ...recordingBackend(), timeout: timeout as number } })
    assert.throws(() => outbox.broadcaster.worker(), { code: 'INVALID_OPTION', field: 'timeout', message: /'odd'/ })
  })
}
