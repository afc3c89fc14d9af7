import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InHand } from '../../src/relay/in-hand.ts'
import { LaneReader } from '../../src/relay/lane-reader.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'

test('a reader without lanes has nothing that is due, before it gets its first and after it gave its last', () => {
  const reader = new LaneReader(memoryStore({ lanes: 1 }).relay, ['main'], new InHand())
  assert.equal(reader.nextDueAt, Number.POSITIVE_INFINITY)
  reader.open([0], () => 0)
  assert.ok(reader.nextDueAt <= performance.now())
  reader.close(0)
  reader.sweepNext()
  assert.equal(reader.nextDueAt, Number.POSITIVE_INFINITY)
})
