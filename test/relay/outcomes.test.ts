/** What the result of one event means for it: pure. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { delivered, notAttempted, notDelivered, type SendResult } from '../../src/backend/backend.ts'
import { OutageError, PermanentError, RetryAfterError } from '../../src/backend/send-error.ts'
import { type HeldEvent, hasKilledEnough } from '../../src/relay/held-event.ts'
import { type FailurePolicy, judge, judgeAll, judgeUnsent } from '../../src/relay/outcomes.ts'
import { countAttempt, MOST_ATTEMPTS, reliablePolicy } from '../../src/relay/retry.ts'

const POLICY: FailurePolicy = {
  retry: { base: 100, jitter: 'none' },
  onFailed: 'block',
  erasePublished: false,
  maxRetryAfter: 60_000,
  random: () => 0,
}
const held = (given: Partial<HeldEvent> = {}): HeldEvent =>
  ({
    id: 'e',
    lane: { number: 1 },
    generation: 2,
    key: 'k',
    retryCount: 0,
    maxRetries: 3,
    alone: false,
    ...given,
  }) as HeldEvent

/** What of an outcome is looked at. */
function shortly(event: HeldEvent, result: SendResult | undefined, policy: Partial<FailurePolicy> = {}): string {
  const verdict = judge(event, result, { ...POLICY, ...policy })
  if (verdict.kind === 'outage') return `outage ${verdict.retryAfter} ${verdict.destination ?? '-'}`
  if (verdict.kind === 'not-attempted') return verdict.kind
  const { outcome } = verdict
  switch (outcome.kind) {
    case 'published':
      return `published count ${outcome.retryCount ?? '-'} erase ${outcome.erase ?? false}`
    case 'retry':
      return `retry ${outcome.retryCount} in ${outcome.delay}`
    case 'failed':
      return `failed ${outcome.retryCount} blocks ${outcome.blocks}`
    default:
      return outcome.kind
  }
}

const no = (error: unknown): SendResult => notDelivered(error)

test('each result means one thing', () => {
  const table: readonly (readonly [string, string])[] = [
    [shortly(held(), delivered), 'published count - erase false'],
    [shortly(held({ alone: true, retryCount: 2 }), delivered), 'published count 2 erase false'],
    [shortly(held(), delivered, { erasePublished: true }), 'published count - erase true'],
    [shortly(held(), notAttempted), 'not-attempted'],
    [shortly(held(), undefined), 'retry 1 in 100'],
    [shortly(held(), no(new Error('no'))), 'retry 1 in 100'],
    [shortly(held({ retryCount: 1 }), no(new Error('no'))), 'retry 2 in 200'],
    [shortly(held({ retryCount: 2 }), no(new Error('no'))), 'failed 3 blocks true'],
    [shortly(held({ retryCount: 2, key: null }), no(new Error('no'))), 'failed 3 blocks false'],
    [shortly(held({ retryCount: 2 }), no(new Error('no')), { onFailed: 'skip' }), 'failed 3 blocks false'],
    [shortly(held(), no(new PermanentError('never'))), 'failed 1 blocks true'],
    [shortly(held(), no(new RetryAfterError('later', { retryAfter: 5_000 }))), 'retry 1 in 5000'],
    [shortly(held(), no(new RetryAfterError('later', { retryAfter: 86_400_000 }))), 'retry 1 in 60000'],
    [shortly(held(), no(new OutageError('away', { retryAfter: 9_000 }))), 'outage 9000 -'],
    [shortly(held(), no(new OutageError('away', { retryAfter: 86_400_000 }))), 'outage 60000 -'],
    [shortly(held({ destination: 'there' }), no(new OutageError('away'))), 'outage 0 there'],
  ]
  for (const [found, expected] of table) assert.equal(found, expected)
})

test('a send says of its backend that it is up, down, or nothing', () => {
  const answer = (...results: readonly SendResult[]): string =>
    judgeAll(
      results.map((_, n) => held({ id: String(n) })),
      results,
      new Set(),
      POLICY,
    ).answer
  assert.equal(answer(notAttempted), 'unknown')
  assert.equal(answer(notAttempted, delivered), 'up')
  assert.equal(answer(no(new Error('no'))), 'up')
  assert.equal(answer(delivered, no(new OutageError('away'))), 'down')
})

test('an event that has killed its worker as often as it may be tried is not sent', () => {
  const row = {} as Parameters<typeof judgeUnsent>[1]
  assert.equal(hasKilledEnough(held({ retryCount: 9 })), false)
  assert.equal(hasKilledEnough(held({ alone: true, retryCount: 2 })), false)
  assert.equal(hasKilledEnough(held({ alone: true, retryCount: 3 })), true)
  assert.equal(hasKilledEnough(held({ alone: true, retryCount: 0, maxRetries: 0 })), false)
  assert.equal(judgeUnsent(held({ alone: true, retryCount: 2 }), row, POLICY), undefined)
  const verdict = judgeUnsent(held({ alone: true, retryCount: 3 }), row, POLICY)
  assert.equal(verdict?.kind === 'settle' && verdict.outcome.kind, 'failed')
})

test('attempts are counted as far as the column goes, and no further back than they are', () => {
  assert.equal(countAttempt(0), 1)
  assert.equal(countAttempt(MOST_ATTEMPTS), MOST_ATTEMPTS)
  assert.equal(countAttempt(MOST_ATTEMPTS + 5), MOST_ATTEMPTS + 5)
})

test('a retry function that throws, or gives no number, is reported once, and nothing more depends on it', () => {
  const errors: unknown[] = []
  const policy = reliablePolicy(
    () => {
      throw new Error('oops')
    },
    (error) => errors.push(error),
  )
  for (const id of ['1', '2'])
    assert.match(shortly(held({ id }), no(new Error('no')), { retry: policy }), /^retry 1 in \d+$/)
  assert.equal(errors.length, 1)
})
