import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Pause } from '../../src/foundation/pause.ts'
import type { CycleOptions } from '../../src/relay/cycle-options.ts'
import { InHand } from '../../src/relay/in-hand.ts'
import type { Lane } from '../../src/relay/lane.ts'
import { LaneReader } from '../../src/relay/lane-reader.ts'
import { Lanes } from '../../src/relay/lanes.ts'
import { Lease } from '../../src/relay/lease.ts'
import { Pace } from '../../src/relay/pace.ts'
import type { LaneRow } from '../../src/store/coordination-store.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'

const NOBODY: ReadonlySet<number> = new Set()

function row(lane: number, fence: number, holdLeft: number | null = null): LaneRow {
  return { backend: 'main', lane, owner: 'w', fence, attention: 0, hold: 0, holdLeft, quietFor: 0 }
}

/** Lanes of a worker whose looks at what holds their keys end when the test says so. */
function stepped() {
  const lanes = new Map<number, Lane>()
  const inHand = new InHand()
  const store = memoryStore({ lanes: 4 })
  const looks: { readonly lanes: readonly number[]; readonly end: () => void }[] = []
  const relay = {
    ...store.relay,
    reconcile: async (_: readonly string[], numbers: readonly number[]) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      looks.push({ lanes: numbers, end: resolve })
      await promise
      return []
    },
  }
  const doubts: string[] = []
  const lease = new Lease(10_000)
  lease.onDoubt = () => doubts.push('doubt')
  const options = {
    name: 'main',
    names: ['main'],
    store: { relay, coordination: store.coordination },
    lease,
    concurrency: 2,
    batchSize: 10,
    reconcileInterval: 60_000,
    onError: assert.ifError,
  } as unknown as CycleOptions
  const reader = new LaneReader(relay, ['main'], lanes, inHand, new Pace(), new Pause())
  const nothing = (): void => undefined
  const subject = new Lanes({ options, lanes, inHand, reader, onClosed: nothing, onOpened: nothing })
  const laneOf = (number: number): Lane => subject.get(number) ?? assert.fail(`lane ${number} is not ours`)
  const endLook = async (): Promise<void> => {
    while (looks.length === 0) await turn()
    looks.shift()?.end()
    await turn()
  }
  return { subject, inHand, looks, laneOf, endLook, doubts }
}

test('a look at the store that ends after its lane was drained opens nothing', async () => {
  const { subject, laneOf, endLook, looks } = stepped()
  const gaining = subject.gain([row(0, 1)], 'w', NOBODY)
  const lane = laneOf(0)
  while (looks.length === 0) await turn()
  assert.deepEqual(await subject.drain([lane]), [lane])
  await endLook()
  await gaining
  assert.deepEqual([lane.position, subject.has(lane)], [undefined, false])
  assert.deepEqual(subject.owned, [lane], 'it is ours until it was given back')
  subject.forget([lane])
  assert.equal(subject.get(0), undefined)
})

test('a lane that comes back while its last events end is another one, which the end of the first does not take away', async () => {
  const { subject, inHand, laneOf, looks, endLook } = stepped()
  const first = subject.gain([row(0, 1)], 'w', NOBODY)
  await endLook()
  await first
  const earlier = laneOf(0)
  const event = { id: 'a', bytes: 0, lane: earlier }
  inHand.add(event)
  const draining = subject.drain([earlier])
  const again = subject.gain([row(0, 3)], 'w', NOBODY)
  const lane = laneOf(0)
  assert.notEqual(lane, earlier)
  assert.deepEqual([subject.has(earlier), subject.has(lane), lane.fence], [false, true, 3])
  await turn()
  assert.deepEqual([lane.position, looks.length], [undefined, 0], 'what was in hand is not recorded yet')
  inHand.remove(event)
  assert.deepEqual(await draining, [], 'there is nothing to give back')
  assert.equal(laneOf(0), lane)
  await endLook()
  await again
  assert.notEqual(lane.position, undefined)
  assert.equal(earlier.position, undefined)
})

test('an event that was delivered and waits for a lock keeps no lane from being opened, and is left out by the next ownership', async () => {
  const { subject, inHand, laneOf, endLook } = stepped()
  const first = subject.gain([row(0, 1)], 'w', NOBODY)
  await endLook()
  await first
  const event = { id: 'a', bytes: 0, lane: laneOf(0) }
  inHand.add(event)
  inHand.waitForLock(event, true)
  void subject.drain([laneOf(0)])
  const again = subject.gain([row(0, 3)], 'w', NOBODY)
  await endLook()
  await again
  assert.notEqual(laneOf(0).position, undefined)
  assert.equal(inHand.has({ id: 'a', lane: 0, generation: 0 }), true)
})

test('lanes share one proof, also those that came later or have new fences: what is settled together takes one statement', async () => {
  const { subject, laneOf, endLook } = stepped()
  const first = subject.gain([row(0, 1), row(1, 1)], 'w', NOBODY)
  await endLook()
  const second = subject.gain([row(2, 5)], 'w', NOBODY)
  await endLook()
  await Promise.all([first, second])
  const before = laneOf(0).ownership
  assert.equal(laneOf(2).ownership, before)
  subject.refence(laneOf(1), 2)
  assert.deepEqual(
    [0, 1, 2].map((number) => [laneOf(number).fence, laneOf(number).ownership === laneOf(0).ownership]),
    [
      [1, true],
      [2, true],
      [5, true],
    ],
  )
  assert.equal(before.fences.get(1), 1, 'a statement that is under way keeps the proof that it was given')
})

test('a lane that an operator holds is not opened before it is resumed, and who waits for it to be quiet has no say then', async () => {
  const { subject, inHand, laneOf, looks, endLook } = stepped()
  await subject.gain([row(0, 1, 500)], 'w', NOBODY)
  assert.deepEqual([looks.length, laneOf(0).phase.kind], [0, 'quiet'])
  const event = { id: 'a', bytes: 0, lane: laneOf(0) }
  inHand.add(event)
  const hushing = subject.hush([laneOf(0)])
  const resuming = subject.resume([laneOf(0)])
  inHand.remove(event)
  assert.deepEqual(await hushing, [])
  await endLook()
  await resuming
  assert.equal(laneOf(0).phase.kind, 'open')
})

test('a lane is distrusted once, and a former ownership of it not at all', async () => {
  const { subject, laneOf, endLook, doubts } = stepped()
  const first = subject.gain([row(0, 1)], 'w', NOBODY)
  await endLook()
  await first
  const earlier = laneOf(0)
  const again = subject.gain([row(0, 2)], 'w', NOBODY)
  await endLook()
  await again
  subject.distrust([earlier])
  assert.deepEqual([doubts.length, laneOf(0).phase.kind], [0, 'open'])
  subject.distrust([laneOf(0), laneOf(0)])
  subject.distrust([laneOf(0)])
  assert.deepEqual([doubts.length, laneOf(0).phase.kind], [1, 'quiet'])
  subject.refence(laneOf(0), 3)
  assert.equal(laneOf(0).isDistrusted, false)
})
