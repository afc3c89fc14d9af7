import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { planWave, type Waiting } from '../../src/redis-streams/wave.ts'

const waiting = fc.array(
  fc.record({
    key: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: null }),
    stream: fc.constantFrom('x', 'y'),
    size: fc.integer({ min: 1, max: 10 }),
  }),
  { maxLength: 40 },
)
const limits = fc.record({
  count: fc.integer({ min: 1, max: 6 }),
  size: fc.integer({ min: 1, max: 25 }),
  alone: fc.integer({ min: 3, max: 12 }),
  oneOfAKey: fc.boolean(),
})

test('wave by wave every event goes once, and a key never waits for itself within a wave', () => {
  fc.assert(
    fc.property(waiting, limits, (given, limit) => {
      let left: readonly Waiting[] = given.map((each, at) => ({ ...each, at }))
      const lastOfKey = new Map<string, number>()
      const gone = new Set<number>()
      while (left.length > 0) {
        const wave = planWave(left, limit)
        const streamOfKey = new Map<string, string>()
        let sent = 0
        for (const [stream, batch] of wave.batches) {
          assert.ok(batch.length <= limit.count)
          assert.ok(batch.length === 1 || batch.reduce((sum, { size }) => sum + size, 0) <= limit.size)
          for (const { at, key } of batch) {
            sent++
            assert.ok(!gone.has(at) && gone.add(at), 'once')
            if (key === null) continue
            assert.ok((lastOfKey.get(key) ?? -1) < at, 'in order')
            lastOfKey.set(key, at)
            if (limit.oneOfAKey) assert.ok(!streamOfKey.has(key), 'one of a key')
            assert.equal(streamOfKey.get(key) ?? stream, stream, 'one stream for a key')
            streamOfKey.set(key, stream)
          }
        }
        assert.ok(sent > 0, 'each wave gets on')
        assert.equal(sent + wave.left.length, left.length)
        left = wave.left
      }
      assert.equal(gone.size, given.length)
    }),
  )
})
