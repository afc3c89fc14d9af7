/** What counts as in hand, and for how long. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { ByteRooms } from '../../src/relay/byte-rooms.ts'
import { InHand, type Taken } from '../../src/relay/in-hand.ts'
import { LaneHand } from '../../src/relay/lane-hand.ts'

const taking =
  (inHand: InHand) =>
  (id: string, bytes = 1): Taken => {
    const taken = { id, bytes, lane: { hand: inHand.of(0) } }
    inHand.add(taken)
    return taken
  }

test('what waits for a lock takes no room, up to as many as there is room for', () => {
  const inHand = new InHand()
  const taken = ['1', '2', '3', '4', '5'].map((id) => taking(inHand)(id))
  assert.equal(inHand.space(3), -2)
  for (const each of taken) inHand.waitForLock(each, each.id === '1')
  assert.equal(inHand.space(3), 1, 'three of five count as waiting')
  inHand.remove(taken[0] as Taken)
  assert.equal(inHand.space(3), 2)
})

test('bytes of what waits for a lock take no room, up to as many as there are', () => {
  const room = new ByteRooms(100).room()
  const inHand = new InHand(room)
  const taken = taking(inHand)('1', 60)
  assert.equal(room.left, 40)
  inHand.waitForLock(taken, true)
  assert.equal(room.left, 100)
  inHand.remove(taken)
  assert.deepEqual([room.left, room.inUse], [100, 0])
})

test('what leaves the hand during a read still counts as in hand for it', async () => {
  const inHand = new InHand()
  const taken = taking(inHand)('1')
  const row = { id: '1', lane: 0, generation: 0 }
  await inHand.duringRead(
    async () => inHand.remove(taken),
    () => assert.equal(inHand.has(row), true),
  )
  assert.equal(inHand.has(row), false)
})

test('what is on its way to be parked is waited for', async () => {
  const inHand = new InHand()
  const [one, other] = [taking(inHand)('1'), taking(inHand)('2')]
  for (const { id } of [one, other]) inHand.beginParking(id)
  let isParked = false
  void inHand.parked().then(() => {
    isParked = true
  })
  inHand.remove(one)
  await turn()
  assert.equal(isParked, false)
  inHand.endParking('2')
  await turn()
  assert.equal(isParked, true)
})

test('a lane is over when nothing is in hand, or nothing but what the caller leaves out', async () => {
  const hand = new LaneHand()
  for (const id of ['delivered', 'locked', 'sent']) hand.add(id)
  const over: string[] = []
  for (const but of ['nothing', 'delivered', 'locked'] as const) void hand.empty(but).then(() => over.push(but))
  const told = async (): Promise<readonly string[]> => {
    await turn()
    return over.splice(0)
  }
  hand.markLocked('delivered', true)
  hand.markLocked('locked', false)
  assert.deepEqual(await told(), [])
  assert.deepEqual([hand.waitsForLock('delivered'), hand.waitsForLock('locked')], [false, true])
  hand.remove('sent')
  assert.deepEqual(await told(), ['locked'])
  hand.remove('locked')
  assert.deepEqual(await told(), ['delivered'])
  hand.remove('delivered')
  assert.deepEqual(await told(), ['nothing'])
})

test('a shelved event is left out until its time, or until it was moved', () => {
  const hand = new LaneHand()
  hand.shelve('1', 0, performance.now() + 60_000)
  hand.shelve('2', 0, performance.now() - 1)
  assert.equal(hand.leftOut, 2)
  assert.equal(hand.has({ id: '1', generation: 0 }), true)
  assert.equal(hand.has({ id: '2', generation: 0 }), false, 'its time is over')
  assert.equal(hand.has({ id: '1', generation: 1 }), false, 'an operator moved it')
  assert.equal(hand.leftOut, 0)
})
