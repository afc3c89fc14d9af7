import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KEPT, LAPSE, LOOK_AGAIN, RateGate, type RateGateParts } from '../../src/relay/rate-gate.ts'
import type { PermitRequest, Permits } from '../../src/store/permits.ts'
import { DrivenClock } from './driven-clock.ts'

/** A gate whose clock, timers and store the test drives. */
function driven(more: Partial<RateGateParts> = {}) {
  const clock = new DrivenClock()
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
    clock,
    ...more,
  })
  return { gate, asked, did, clock }
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
  const { gate, asked, did, clock } = driven()
  gate.want(5)
  clock.advance(3)
  await asked[0]?.answer({ taken: 5, wait: 60 })
  clock.ring(59.5)
  assert.deepEqual(did, [])
  assert.equal(gate.left, 0)
  gate.want(5)
  assert.equal(asked.length, 1, 'it waits for those it has')
  clock.advance(0.5)
  assert.deepEqual(did, ['waited 63', 'open'])
  assert.equal(gate.left, 5)
})

test('where there are none yet it opens for the next to ask, and tells the whole wait at its end', async () => {
  const { gate, asked, did, clock } = driven()
  gate.want(1)
  await asked[0]?.answer({ taken: 0, wait: 40 })
  clock.advance(40)
  assert.deepEqual(did, ['open'])
  assert.equal(gate.left, 0)
  gate.want(1)
  await asked[1]?.answer({ taken: 1, wait: 10 })
  clock.advance(10)
  assert.deepEqual(did, ['open', 'waited 50', 'open'])
})

test('permits that come late are dropped, once: beside those of now they would be too many', async () => {
  const { gate, asked, did, clock } = driven()
  gate.want(5)
  clock.advance(LAPSE + 1)
  await asked[0]?.answer({ taken: 5, wait: 0 })
  assert.deepEqual([did, gate.left], [['open'], 0])
  // Of a database that always takes so long every second answer counts.
  gate.want(5)
  clock.advance(LAPSE + 1)
  await asked[1]?.answer({ taken: 5, wait: 0 })
  assert.deepEqual([did, gate.left], [['open', 'open'], 5])
  gate.use(5)
  gate.want(5)
  clock.advance(LAPSE + 1)
  await asked[2]?.answer({ taken: 5, wait: 0 })
  assert.equal(gate.left, 0)
})

test('permits whose time passed while the process was frozen are dropped', async () => {
  const { gate, asked, clock } = driven()
  gate.want(5)
  await asked[0]?.answer({ taken: 5, wait: 60 })
  clock.advance(60 + LAPSE + 1)
  assert.equal(gate.left, 0)
  gate.want(5)
  await asked[1]?.answer({ taken: 5, wait: 60 })
  clock.advance(60 + LAPSE)
  assert.equal(gate.left, 5)
})

test('permits that nobody used lapse', async () => {
  const { gate, asked, clock } = driven()
  gate.want(3)
  await asked[0]?.answer({ taken: 3, wait: 0 })
  clock.advance(LAPSE - 1)
  assert.equal(gate.left, 3)
  assert.equal(gate.isIdle, false)
  clock.advance(1)
  assert.equal(gate.left, 0)
  assert.equal(gate.isIdle, true)
  gate.want(1)
  await asked[1]?.answer({ taken: 1, wait: 0 })
  assert.equal(gate.left, 1, 'and do not come back with later ones')
})

test('an error is told, and the store asked again after a second', async () => {
  const { gate, asked, did, clock } = driven()
  const error = new Error('no right to outbox_rates')
  gate.want(1)
  await asked[0]?.fail(error)
  assert.deepEqual(did, [error])
  gate.want(1)
  assert.equal(asked.length, 1)
  clock.advance(1_000)
  assert.deepEqual(did, [error, 'open'])
  gate.want(1)
  assert.equal(asked.length, 2)
})

test('once it is stopped nothing follows, whatever it waited for', async () => {
  const { gate, asked, did, clock } = driven()
  gate.want(1)
  await asked[0]?.answer({ taken: 1, wait: 600_000 })
  gate.stop()
  assert.equal(clock.timers, 0)
  clock.advance(600_000)
  gate.want(1)
  assert.equal(asked.length, 1)
  assert.deepEqual(did, [])

  const other = driven()
  other.gate.want(1)
  other.gate.stop()
  await other.asked[0]?.answer({ taken: 1, wait: 10 })
  assert.equal(other.clock.timers, 0)
  assert.deepEqual(other.did, [])
})

test('only what something waited is told, and not the time in which nobody asked', async () => {
  const { gate, asked, did, clock } = driven()
  gate.want(1)
  await asked[0]?.answer({ taken: 0, wait: 40 })
  clock.advance(40)
  clock.advance(3_600_000)
  gate.want(1)
  await asked[1]?.answer({ taken: 1, wait: 10 })
  clock.advance(10)
  assert.deepEqual(did, ['open', 'waited 50', 'open'])
  gate.use(1)
  gate.want(1)
  await asked[2]?.answer({ taken: 1, wait: 0 })
  assert.deepEqual(did.slice(3), ['open'], 'and once')
})

test('what its callers throw does not close it', async () => {
  const error = new Error('thrown')
  const fails = (): never => {
    throw error
  }
  const did: unknown[] = []
  const { gate, asked, clock } = driven({ onOpen: fails, onError: (told) => did.push(told) })
  gate.want(1)
  await asked[0]?.answer({ taken: 1, wait: 0 })
  assert.deepEqual(did, [error])
  assert.equal(gate.left, 1)
  gate.use(1)
  gate.want(1)
  await asked[1]?.answer({ taken: 2, wait: 10 })
  clock.advance(10)
  assert.deepEqual(did, [error, error])
  assert.equal(gate.left, 2)

  const other = driven({ onError: fails })
  other.gate.want(1)
  await other.asked[0]?.fail(error)
  other.clock.advance(1_000)
  assert.deepEqual(other.did, ['open'])
  other.gate.want(1)
  assert.equal(other.asked.length, 2)
})

test('a long wait is looked at again: it may have become shorter', async () => {
  const { gate, asked, did, clock } = driven()
  gate.want(1)
  await asked[0]?.answer({ taken: 0, wait: 7_200_000 })
  clock.advance(LOOK_AGAIN - 1)
  assert.deepEqual(did, [])
  clock.advance(1)
  assert.deepEqual(did, ['open'])
  gate.want(1)
  assert.equal(asked.length, 2)
})

test('an answer that is no time is an error', async () => {
  for (const permits of [
    { taken: 1, wait: Number.NaN },
    { taken: Number.NaN, wait: 0 },
    { taken: 1, wait: -1 },
  ]) {
    const { gate, asked, did, clock } = driven()
    gate.want(1)
    await asked[0]?.answer(permits)
    assert.equal(did.length, 1)
    assert.ok(did[0] instanceof RangeError)
    assert.equal(gate.left, 0)
    clock.advance(1_000)
    gate.want(1)
    assert.equal(asked.length, 2)
  }
})

test('permits of what has no slot yet are kept, but not for ever', async () => {
  const { gate, asked, clock } = driven()
  gate.want(3)
  await asked[0]?.answer({ taken: 3, wait: 0 })
  gate.keep()
  clock.advance(LAPSE)
  assert.equal(gate.left, 3)
  gate.use(1)
  gate.keep()
  clock.advance(KEPT - LAPSE - 1)
  assert.equal(gate.left, 2)
  gate.keep()
  clock.advance(1)
  assert.equal(gate.left, 0)
  gate.keep()
  assert.equal(gate.left, 0, 'what has lapsed does not come back')
})
