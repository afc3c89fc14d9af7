import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { plot, withTable } from '../../scripts/retry-schedule.ts'
import { notDelivered } from '../../src/backend/backend.ts'
import { DEFAULT_RETRIES, retryDelay } from '../../src/foundation/retry-policy.ts'
import { decideFailure } from '../../src/relay/retry.ts'
import { TestOutbox } from './outbox.ts'

test("Django's schedule is 2^n minutes, without jitter", () => {
  assert.deepEqual(
    [1, 2, 3].map((n) => retryDelay('django', n, 0.5)),
    [120_000, 240_000, 480_000],
  )
})

test('the backoff doubles from base to cap when there is no jitter', () => {
  const policy = { base: 100, factor: 2, cap: 1_000, jitter: 'none' } as const
  assert.deepEqual(
    [1, 2, 3, 4, 5, 50].map((n) => retryDelay(policy, n, 0.9)),
    [100, 200, 400, 800, 1_000, 1_000],
  )
})

test('full jitter stays between the smallest delay and the backoff', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (n, random) => {
        const delay = retryDelay({ base: 1_000, cap: 60_000, jitter: 'full' }, n, random)
        assert.ok(delay >= 50 && delay <= Math.min(60_000, 1_000 * 2 ** (n - 1)))
      },
    ),
  )
  assert.equal(retryDelay({ base: 1_000, jitter: 'full' }, 3, 0.5), 2_000)
})

test('an event fails at maxRetries, or at once when refused for good', () => {
  const policy = { base: 100, jitter: 'none' } as const
  const failure = { kind: 'failure' } as const
  assert.deepEqual(decideFailure(failure, 1, 3, policy, 0), { kind: 'retry', retryCount: 1, delay: 100 })
  assert.deepEqual(decideFailure(failure, 3, 3, policy, 0), { kind: 'failed', retryCount: 3 })
  assert.deepEqual(decideFailure(failure, 1, 0, policy, 0), { kind: 'failed', retryCount: 1 })
  assert.deepEqual(decideFailure({ kind: 'permanent' }, 1, 9, policy, 0), { kind: 'failed', retryCount: 1 })
  assert.deepEqual(decideFailure({ kind: 'failure', retryAfter: 900 }, 1, 3, policy, 0), {
    kind: 'retry',
    retryCount: 1,
    delay: 900,
  })
})

test('a function that throws or gives no number counts as the default; a negative number as 0', () => {
  const byDefault = retryDelay({}, 2, 0.5)
  const failing = (): never => {
    throw new Error('a fault in it')
  }
  assert.equal(retryDelay(failing, 2, 0.5), byDefault)
  for (const given of [undefined, null, Number.NaN, '7', Promise.resolve(7)]) {
    assert.equal(
      retryDelay(() => given as never, 2, 0.5),
      byDefault,
    )
  }
  assert.equal(
    retryDelay(() => -1, 2, 0.5),
    0,
  )
  assert.equal(
    retryDelay(() => 7, 2, 0.5),
    7,
  )
})

test('the default rides out half an hour, whatever the jitter, and tries again soon at first', () => {
  const total = (random: number): number =>
    Array.from({ length: DEFAULT_RETRIES }, (_, n) => retryDelay({}, n + 1, random)).reduce((sum, one) => sum + one)
  assert.equal(DEFAULT_RETRIES, 12)
  assert.ok(total(0) >= 30 * 60_000, `${total(0) / 60_000} minutes`)
  assert.ok(retryDelay({}, 1, 1) <= 1_000)
})

test('the table and the plot of the documentation are those of the code (node scripts/retry-schedule.ts writes them)', () => {
  const docs = new URL('../../docs/', import.meta.url)
  const page = readFileSync(new URL('guarantees.md', docs), 'utf8')
  assert.equal(page, withTable(page))
  assert.equal(readFileSync(new URL('retry-schedule.svg', docs), 'utf8'), plot())
})

for (const retries of [0, 1, 3]) {
  test(`maxRetries ${retries}: tried ${retries + 1} times, and the column counts as Django's`, async () => {
    await using outbox = new TestOutbox()
    let sends = 0
    outbox.backend.behaviour = () => {
      sends++
      return notDelivered(new Error('no'))
    }
    const [event] = await outbox.publish(['a'], { maxRetries: retries })
    assert.equal(event?.maxRetries, retries + 1)
    await outbox.broadcaster.worker().start()
    await outbox.until(() => outbox.heard('event.failed').length === 1)
    assert.equal(sends, retries + 1)
    assert.equal(outbox.heard('event.retried').length, retries)
    const stored = await outbox.broadcaster.events.get(event?.id ?? '')
    assert.deepEqual([stored.retryCount, stored.maxRetries], [retries + 1, retries + 1])
  })
}
