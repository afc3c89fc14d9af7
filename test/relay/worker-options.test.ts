import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lease, moment } from '../../src/relay/lease.ts'
import { resolveWorkerOptions } from '../../src/relay/worker-options.ts'

test('defaults are those that the documentation names, and the result is frozen', () => {
  const options = resolveWorkerOptions()
  const { maxBatchBytes, maxInFlightBytes } = options
  assert.deepEqual([maxBatchBytes, maxInFlightBytes], [4 * 2 ** 20, 32 * 2 ** 20])
  const { batchSize, concurrency, maxInHand, pollInterval, lease, sendTimeout, onFailed } = options
  assert.deepEqual(
    [batchSize, concurrency, maxInHand, pollInterval, lease, sendTimeout, onFailed],
    [100, 4, 2_000, 1_000, 10_000, 5_000, 'block'],
  )
  assert.ok(Object.isFrozen(options))
})

test('every wrong option is named in one error, unknown ones with a suggestion', () => {
  const wrong = { batchSize: 0, maxInFlightBytes: 0, maxBatchBytes: 1.5, lease: 1, onFailed: 'stop', bachSize: 5 }
  assert.throws(
    () => resolveWorkerOptions(wrong as never),
    (error: Error) => {
      for (const word of [
        'worker.batchSize',
        'worker.maxInFlightBytes',
        'worker.maxBatchBytes',
        'worker.lease',
        'worker.onFailed',
        'worker.bachSize',
        'batchSize"?',
      ]) {
        assert.ok(error.message.includes(word), `${word} in: ${error.message}`)
      }
      return true
    },
  )
})

test('nested options are checked too; null keeps events for ever', () => {
  assert.throws(() => resolveWorkerOptions({ retry: { bse: 5 } as never }), {
    code: 'INVALID_OPTION',
    message: /"base"/,
  })
  for (const name of ['retry', 'breaker', 'retention']) {
    const wrong = { [name]: null } as never
    assert.throws(() => resolveWorkerOptions(wrong), { code: 'INVALID_OPTION', field: `worker.${name}` })
  }
  assert.throws(() => resolveWorkerOptions({ retry: 'linear' as never }), { code: 'INVALID_OPTION', message: /django/ })
  assert.throws(() => resolveWorkerOptions({ breaker: { probeInterval: 0 } }), {
    field: 'worker.breaker.probeInterval',
  })
  assert.throws(() => resolveWorkerOptions({ retention: { published: -1 } }), { field: 'worker.retention.published' })
  const { retention } = resolveWorkerOptions({ retention: { published: null } })
  assert.equal((retention || undefined)?.published, null)
  assert.equal(resolveWorkerOptions({ retry: 'django', retention: false }).retry, 'django')
})

test('retention by type and number is checked by name', () => {
  const refused = (retention: unknown, field: string, message = /./) =>
    assert.throws(() => resolveWorkerOptions({ retention } as never), { code: 'INVALID_OPTION', field, message })
  refused({ keep: 5 }, 'worker.retention.keep')
  refused({ keep: { published: -1 } }, 'worker.retention.keep.published')
  refused({ types: [] }, 'worker.retention.types')
  refused({ types: { 'a.**': {} } }, "worker.retention.types['a.**']", /audit/)
  refused({ types: { 'a.*': { publishd: 5 } } }, "worker.retention.types['a.*'].publishd", /"published"/)
  refused({ types: { 'a.*': { published: 'delete' } } }, "worker.retention.types['a.*'].published")
  refused({ types: { 'a.*': { keep: { failed: 0.5 } } } }, "worker.retention.types['a.*'].keep.failed")
  refused(
    { published: 'delete', types: { a: { published: 5 } } },
    'worker.retention',
    /types\['a'\]\.published has no effect/,
  )
  refused({ published: 'delete', archive: '/var/a' }, 'worker.retention', /archive would miss it/)
  const never = { '*.b': {}, 'a.*': {}, 'b.a': {}, 'a.c.*': { published: null } }
  refused({ types: never }, "worker.retention.types['a.c.*']", /comes after 'a\.\*', which takes all of it/)
  refused({ types: { '*': {}, a: {} } }, "worker.retention.types['a']", /put it before that/)
  refused({ archive: '' }, 'worker.retention.archive', /a folder or a function/)
  assert.ok(resolveWorkerOptions({ retention: { published: 'delete', types: { a: { failed: 5 } } } }))
})

for (const wrong of [
  { name: '' },
  { name: 5 },
  { backends: 'main' },
  { backends: [1] },
  { retry: null },
  { retry: 5 },
  { retry: [] },
  { breaker: 'fast' },
  { breaker: null },
  { retention: true },
  { retention: null },
]) {
  test(`${JSON.stringify(wrong)} is refused by its name`, () => {
    const [field] = Object.keys(wrong)
    assert.throws(() => resolveWorkerOptions(wrong as never), {
      code: 'INVALID_OPTION',
      field: `worker.${field}`,
      message: new RegExp(`worker\\.${field} is .*; give `),
    })
  })
}

test('a send may start with more lease left than its timeout, or 0.7 of the lease', () => {
  const lease = new Lease(1_000)
  assert.equal(lease.allows(1), false, 'before the first renewal')
  lease.extend({ ...moment(), monotonic: performance.now() - 200 })
  assert.equal(lease.allows(500), true)
  assert.equal(lease.allows(60_000), true, 'a timeout that is longer than the lease')
  lease.extend({ ...moment(), monotonic: performance.now() - 400 })
  assert.equal(lease.allows(500), true)
  assert.equal(lease.allows(60_000), false)
  lease.extend({ ...moment(), monotonic: performance.now() - 600 })
  assert.equal(lease.allows(500), false)
  lease.end()
  assert.equal(lease.signal.aborted, true)
})
