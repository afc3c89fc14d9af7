import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Partition } from '../../src/kafka/partition.ts'

test('what may be committed ends before the first record that is not done, whatever is done behind it', () => {
  const partition = new Partition('events', 0, 10n)
  assert.equal(partition.toCommit(), undefined)
  // The offsets between them held no records.
  for (const offset of [10n, 11n, 15n, 16n]) partition.hand(offset)
  assert.equal(partition.toCommit(), undefined)
  partition.done(11n)
  partition.done(16n)
  assert.equal(partition.toCommit(), undefined)
  partition.done(10n)
  assert.equal(partition.toCommit(), 15n)
  partition.committed(15n)
  assert.equal(partition.toCommit(), undefined)
  partition.done(15n)
  assert.equal(partition.toCommit(), 17n)
  partition.committed(17n)
  assert.equal(partition.toCommit(), undefined)
})

test('a record that was given back and is delivered again is still open; one of before a sharing out is no matter', () => {
  const partition = new Partition('events', 0, 0n)
  partition.hand(0n)
  partition.hand(1n)
  partition.hand(0n)
  partition.done(1n)
  partition.done(99n)
  assert.equal(partition.toCommit(), undefined)
  partition.done(0n)
  assert.equal(partition.toCommit(), 2n)
})

test('records that are done behind one that is not take no memory', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const used = (): number => {
    collect()
    return process.memoryUsage().heapUsed
  }
  const partition = new Partition('events', 0, 0n)
  partition.hand(0n)
  const before = used()
  for (let offset = 1n; offset <= 500_000n; offset++) {
    partition.hand(offset)
    partition.done(offset)
  }
  const more = used() - before
  assert.ok(more < 5_000_000, `${more} bytes more`)
  assert.equal(partition.toCommit(), undefined)
  partition.done(0n)
  assert.equal(partition.toCommit(), 500_001n)
})
