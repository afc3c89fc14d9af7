/** A breaker by itself: what it asks of the store, and when it lets a probe go. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BroadcasterError } from '../../src/errors.ts'
import { Breaker } from '../../src/relay/breaker.ts'
import type { BreakerRow, BreakerStore } from '../../src/store/coordination-store.ts'

/** A store that remembers what it was asked, and answers as the test says. */
function asked(answers: Partial<Record<keyof BreakerStore, unknown>> = {}) {
  const calls: (readonly unknown[])[] = []
  const method =
    (name: keyof BreakerStore) =>
    async (...given: readonly unknown[]) => {
      calls.push([name, ...given])
      const answer = answers[name]
      if (typeof answer === 'function') return answer(...given)
      return answer ?? true
    }
  const names = ['open', 'tryProbe', 'postpone', 'close', 'pause', 'resume'] as const
  const store = Object.fromEntries(names.map((name) => [name, method(name)])) as unknown as BreakerStore
  return { calls, answers, breaker: new Breaker(store, 'main', { firstProbe: 1_000, probeInterval: 2_000 }) }
}

const row = (given: Partial<BreakerRow>): BreakerRow =>
  ({ backend: 'main', open: true, probeIn: 0, error: '', since: 0, paused: null, ...given }) as BreakerRow

/** Within a second of what is expected, and not before. */
function about(actual: number, expected: number): void {
  assert.ok(actual > expected - 500 && actual <= expected, `${actual}, and not about ${expected}`)
}

test('an outage opens it here and for all, until the first probe, or for as long as the backend asked', async () => {
  for (const [retryAfter, wait] of [
    [0, 1_000],
    [5_000, 5_000],
  ] as const) {
    const { breaker, calls } = asked()
    assert.equal(breaker.isOpen, false)
    const tripping = breaker.trip('away', retryAfter)
    assert.equal(breaker.isOpen, true, 'at once, whatever the store says')
    assert.equal(breaker.isProbing, true)
    assert.equal(await tripping, true)
    about(breaker.probeIn, wait)
    assert.deepEqual(calls, [['open', 'main', wait, 'away']])
  }
})

test('a probe is for who has the right, and the next comes after an interval, or when the backend asked for it', async () => {
  const { breaker, calls, answers } = asked()
  await breaker.trip('away', 0)
  calls.length = 0
  assert.equal(await breaker.tryProbe(10_000), true)
  about(breaker.probeIn, 12_000)
  await breaker.probeFailed('still away', 0)
  about(breaker.probeIn, 2_000)
  await breaker.probeFailed('still away', 7_000)
  about(breaker.probeIn, 7_000)
  answers.tryProbe = () => false
  assert.equal(await breaker.tryProbe(10_000), false)
  about(breaker.probeIn, 2_000)
  assert.deepEqual(calls, [
    ['tryProbe', 'main', 12_000],
    ['postpone', 'main', 2_000, 'still away'],
    ['postpone', 'main', 7_000, 'still away'],
    ['tryProbe', 'main', 12_000],
  ])
})

test('a probe that succeeds closes it here and for all', async () => {
  for (const closed of [true, false]) {
    const { breaker, calls } = asked({ close: () => closed })
    await breaker.trip('away', 0)
    assert.equal(await breaker.reset(), closed)
    assert.equal(breaker.isOpen, false)
    assert.deepEqual(calls.at(-1), ['close', 'main'])
  }
})

test('an outage of which the store was not told is told before the first probe, and once', async () => {
  const { breaker, calls, answers } = asked({
    open: () => {
      throw new BroadcasterError('STORE_UNAVAILABLE', 'away, too')
    },
  })
  await assert.rejects(breaker.trip('away', 0), /away, too/)
  assert.equal(breaker.isOpen, true)
  answers.open = () => true
  calls.length = 0
  await breaker.tryProbe(1_000)
  await breaker.tryProbe(1_000)
  assert.deepEqual(
    calls.map(([name]) => name),
    ['open', 'tryProbe', 'tryProbe'],
  )
})

test('a text that the database cannot hold is told in ASCII, and a store that is down is not asked twice', async () => {
  let error: Error = new Error('invalid byte sequence')
  const { breaker, calls, answers } = asked({
    open: (_backend: string, _wait: number, text: string) => {
      if (text.includes('é')) throw error
      return true
    },
  })
  assert.equal(await breaker.trip('coupé', 0), true)
  assert.deepEqual(
    calls.map(([, , , text]) => text),
    ['coupé', 'coup?'],
  )
  calls.length = 0
  error = new BroadcasterError('STORE_UNAVAILABLE', 'away')
  await assert.rejects(breaker.trip('coupé', 0), /away/)
  assert.equal(calls.length, 1)
  answers.open = () => true
})

test('it follows what other workers and operators do', async () => {
  const { breaker } = asked()
  assert.equal(breaker.observe(row({ open: false })), undefined)
  assert.equal(breaker.observe(row({ probeIn: 3_000 })), 'opened')
  assert.equal(breaker.isOpen, true)
  about(breaker.probeIn, 3_000)
  assert.equal(breaker.observe(row({ probeIn: 9_000 })), undefined)
  about(breaker.probeIn, 3_000)

  assert.equal(breaker.observe(row({ paused: { by: 'me' } as never })), undefined)
  assert.equal(breaker.isOpen, true)
  assert.equal(breaker.isProbing, false)
  assert.equal(breaker.probeIn, Number.POSITIVE_INFINITY)
  assert.equal(breaker.observe(row({ open: false, paused: { by: 'me' } as never })), undefined, 'closed, and paused')
  assert.equal(breaker.isOpen, true)
  assert.equal(breaker.observe(row({ open: false })), 'closed')
  assert.equal(breaker.isOpen, false)
})

test('a probe that a clock has left in the far future is due at once', () => {
  const { breaker } = asked()
  breaker.observe(row({ probeIn: Number.MAX_SAFE_INTEGER }))
  assert.equal(breaker.probeIn, 0)
})

test('each time that it opens or closes, here or elsewhere, it is in another state; an operator who pauses it changes none', async () => {
  const { breaker } = asked()
  const states = [breaker.state]
  const next = (): void => void states.push(breaker.state)
  await breaker.trip('away', 0)
  next()
  await breaker.reset()
  next()
  breaker.observe(row({ open: true }))
  next()
  breaker.observe(row({ open: false }))
  next()
  assert.equal(new Set(states).size, 5)
  breaker.observe(row({ open: false, paused: { reason: '', since: 0 } as unknown as BreakerRow['paused'] }))
  assert.deepEqual([breaker.isOpen, breaker.state === states.at(-1)], [true, true])
})
