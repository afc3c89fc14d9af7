import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LAPSE, RateGate } from '../../src/relay/rate-gate.ts'
import type { PermitRequest, Permits } from '../../src/store/permits.ts'

/** A gate whose clock, timers and store the test drives. */
function driven() {
  let now = 0
  const timers = new Set<{ readonly at: number; readonly call: () => void }>()
  const asked: {
    readonly request: PermitRequest
    answer(permits: Permits): Promise<void>
    fail(error: Error): Promise<void>
  }[] = []
  const did: unknown[] = []
  const gate = new RateGate({
    rate: { interval: 20, burst: 5 },
    take: (request) => {
      const { promise, resolve, reject } = Promise.withResolvers<Permits>()
      const settle = async (how: () => void): Promise<void> => {
        how()
        await new Promise((done) => setImmediate(done))
      }
      asked.push({
        request,
        answer: (permits) => settle(() => resolve(permits)),
        fail: (error) => settle(() => reject(error)),
      })
      return promise
    },
    onOpen: () => did.push('open'),
    onWaited: (duration) => did.push(`waited ${duration}`),
    onError: (error) => did.push(error),
    now: () => now,
    after: (duration, call) => {
      const timer = { at: now + duration, call }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
  })
  const advance = (duration: number): void => {
    now += duration
    for (const timer of [...timers]) if (timer.at <= now && timers.delete(timer)) timer.call()
  }
  /** A timer that is early. */
  const ring = (duration: number): void => {
    now += duration
    const [timer] = timers
    if (timer && timers.delete(timer)) timer.call()
  }
  return { gate, asked, did, advance, ring, timers }
}

test('it asks once at a time, for what could go, and opens', async () => {
  const { gate, asked, did } = driven()
  gate.want(0)
  assert.equal(asked.length, 0)
  gate.want(7)
  gate.want(9)
  assert.deepEqual(
    asked.map(({ request }) => request),
    [{ interval: 20, burst: 5, events: 7 }],
  )
  assert.equal(gate.left, 0)
  await asked[0]?.answer({ taken: 5, wait: 0 })
  assert.deepEqual(did, ['open'])
  assert.equal(gate.left, 5)
  gate.use(2)
  assert.equal(gate.left, 3)
  gate.use(4)
  assert.equal(gate.left, 0)
  gate.want(1)
  assert.equal(asked.length, 2)
})

test('permits given ahead are used when they are due and not before, however early a timer is', async () => {
  const { gate, asked, did, advance, ring } = driven()
  gate.want(5)
  advance(3)
  await asked[0]?.answer({ taken: 5, wait: 60 })
  ring(59.5)
  assert.deepEqual(did, [])
  assert.equal(gate.left, 0)
  gate.want(5)
  assert.equal(asked.length, 1, 'it waits for those it has')
  advance(0.5)
  assert.deepEqual(did, ['waited 63', 'open'])
  assert.equal(gate.left, 5)
})

test('where there are none yet it opens for the next to ask, and tells the whole wait at its end', async () => {
  const { gate, asked, did, advance } = driven()
  gate.want(1)
  await asked[0]?.answer({ taken: 0, wait: 40 })
  advance(40)
  assert.deepEqual(did, ['open'])
  assert.equal(gate.left, 0)
  gate.want(1)
  await asked[1]?.answer({ taken: 1, wait: 10 })
  advance(10)
  assert.deepEqual(did, ['open', 'waited 50', 'open'])
})

test('permits that nobody used lapse', async () => {
  const { gate, asked, advance } = driven()
  gate.want(3)
  await asked[0]?.answer({ taken: 3, wait: 0 })
  advance(LAPSE - 1)
  assert.equal(gate.left, 3)
  assert.equal(gate.isIdle, false)
  advance(1)
  assert.equal(gate.left, 0)
  assert.equal(gate.isIdle, true)
  gate.want(1)
  await asked[1]?.answer({ taken: 1, wait: 0 })
  assert.equal(gate.left, 1, 'and do not come back with later ones')
})

test('an error is told, and the store asked again after a second', async () => {
  const { gate, asked, did, advance } = driven()
  const error = new Error('no right to outbox_rates')
  gate.want(1)
  await asked[0]?.fail(error)
  assert.deepEqual(did, [error])
  gate.want(1)
  assert.equal(asked.length, 1)
  advance(1_000)
  assert.deepEqual(did, [error, 'open'])
  gate.want(1)
  assert.equal(asked.length, 2)
})

test('once it is stopped nothing follows, whatever it waited for', async () => {
  const { gate, asked, did, advance, timers } = driven()
  gate.want(1)
  await asked[0]?.answer({ taken: 1, wait: 600_000 })
  gate.stop()
  assert.equal(timers.size, 0)
  advance(600_000)
  gate.want(1)
  assert.equal(asked.length, 1)
  assert.deepEqual(did, [])

  const other = driven()
  other.gate.want(1)
  other.gate.stop()
  await other.asked[0]?.answer({ taken: 1, wait: 10 })
  assert.equal(other.timers.size, 0)
  assert.deepEqual(other.did, [])
})
