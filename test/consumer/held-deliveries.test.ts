import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { HeldDeliveries } from '../../src/consumer/held-deliveries.ts'

/** How long one is safe, and how much later the test looks; in milliseconds. */
const SAFE = 60
const LATER = 200

describe('held deliveries', () => {
  test('one is lost when its time is over, though nobody asks', async () => {
    const deliveries = new HeldDeliveries<string>()
    const before = deliveries.add('1', 'another', performance.now() + 60_000)
    const held = deliveries.add('2', 'a message', performance.now() + SAFE)
    assert.ok(held && before)
    const lost = Promise.withResolvers<number>()
    held.lost.signal.addEventListener('abort', () => lost.resolve(performance.now()))
    assert.ok((await lost.promise) >= held.safeUntil)
    assert.equal(deliveries.remove(held), false)
    assert.equal(before.lost.signal.aborted, false)
    assert.equal(deliveries.remove(before), true)
  })

  test('one that comes later and is safe for less is lost first', async () => {
    const deliveries = new HeldDeliveries<string>()
    const long = deliveries.add('1', 'a message', performance.now() + 60_000)
    const short = deliveries.add('2', 'another', performance.now() + SAFE)
    await pause(LATER)
    assert.deepEqual([long?.lost.signal.aborted, short?.lost.signal.aborted], [false, true])
    if (long) deliveries.lose(long)
    assert.equal(long?.lost.signal.aborted, true)
  })

  test('with one whose time is over all are lost that came after it, at once, and none that came before', async () => {
    const told: string[][] = []
    const deliveries = new HeldDeliveries<string>((lost) => told.push(lost.map(({ id }) => id)))
    const ends = [60_000, SAFE, 60_000, 60_000]
    const all = ends.map((safe, n) => deliveries.add(String(n), 'a message', performance.now() + safe))
    await new Promise((resolve) => all[1]?.lost.signal.addEventListener('abort', resolve))
    assert.deepEqual(
      all.map((held) => held?.lost.signal.aborted),
      [false, true, true, true],
    )
    assert.deepEqual(told, [['1', '2', '3']])
    if (all[0]) deliveries.remove(all[0])
  })

  test('one that the broker has heard of is kept, and lost when it is not heard of again', async () => {
    const deliveries = new HeldDeliveries<string>()
    const held = deliveries.add('1', 'a message', performance.now() + SAFE)
    assert.ok(held)
    deliveries.renew([held], performance.now() + 60_000)
    await pause(LATER)
    assert.equal(held.lost.signal.aborted, false)
    deliveries.add('1', 'delivered again', performance.now() + SAFE)
    await pause(LATER)
    assert.equal(held.lost.signal.aborted, true)
  })

  test('one that was concluded is never lost, and keeps no process alive', async () => {
    const deliveries = new HeldDeliveries<string>()
    const held = deliveries.add('1', 'a message', performance.now() + SAFE)
    assert.ok(held)
    const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    deliveries.remove(held)
    assert.equal(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, timers - 1)
    await pause(LATER)
    assert.equal(held.lost.signal.aborted, false)
  })
})
