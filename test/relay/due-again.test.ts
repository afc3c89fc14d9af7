import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { delivered, notAttempted, notDelivered, type SendResult } from '../../src/backend/backend.ts'
import { Pause } from '../../src/foundation/pause.ts'
import { dataOf, TestOutbox } from './outbox.ts'

/** A send so slow that the relay, which finds nothing meanwhile, sleeps for seconds by then: each look comes after twice as long. */
const SLOW = 2_700
/** Some of so many relays are far from their next look when that send ends. */
const RELAYS = 8
/** Longer than any test waits. */
const NEVER = 3_600_000

describe('what a relay puts off or gives back is read at its time, however long it sleeps', {
  concurrency: true,
}, () => {
  const answers: Readonly<Record<string, SendResult>> = {
    'an attempt that failed': notDelivered(new Error('no')),
    'a send that did not get so far': notAttempted,
  }
  for (const [name, first] of Object.entries(answers)) {
    test(name, async () => {
      const delays = await Promise.all(Array.from({ length: RELAYS }, () => untilAgain(first)))
      assert.ok(Math.max(...delays) < 700, `sent again after ${delays.map(Math.round)} ms`)
    })
  }
})

/** How long after its first answer an event is sent again, in ms. */
async function untilAgain(first: SendResult): Promise<number> {
  await using outbox = new TestOutbox()
  const { backend, broadcaster } = outbox
  const sentAt: number[] = []
  backend.behaviour = async () => {
    sentAt.push(performance.now())
    if (sentAt.length > 1) return delivered
    await delay(SLOW)
    return first
  }
  await broadcaster.worker({ pollInterval: NEVER, idleInterval: NEVER, reconcileInterval: NEVER }).start()
  await outbox.publish(['a', 'a'])
  await outbox.until(() => backend.received.length === 2)
  assert.deepEqual(dataOf(backend.received), [1, 2])
  const [begun = 0, again = 0] = sentAt
  return again - begun - SLOW
}

test('a pause ends at the earliest of its times, and once', async () => {
  const pause = new Pause()
  const began = performance.now()
  pause.endWithin(NEVER)
  pause.endWithin(40)
  pause.endWithin(5_000)
  assert.equal(await pause.sleep(NEVER), true)
  assert.ok(performance.now() - began < 2_000)
  assert.equal(await pause.sleep(60), false)
})
