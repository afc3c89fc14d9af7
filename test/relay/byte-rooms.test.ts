import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteRooms } from '../../src/relay/byte-rooms.ts'
import { InHand } from '../../src/relay/in-hand.ts'

test('the only backend has all the room; of several one has half of it at most, and the next half of what is left', () => {
  assert.equal(new ByteRooms(1_200).room().left, 1_200)
  const rooms = new ByteRooms(1_200)
  const [one, two, three] = [rooms.room(), rooms.room(), rooms.room()]
  one.inUse = one.left
  assert.deepEqual([one.inUse, one.left], [600, 0])
  two.inUse = two.left
  assert.deepEqual([two.inUse, two.left], [300, 0])
  assert.equal(three.left, 150)
  one.inUse = 0
  assert.equal(two.left, 300, 'as much as is free beside it')
})

test('what a read may find is kept for it until it is over', () => {
  const rooms = new ByteRooms(1_000)
  const [one, two] = [rooms.room(), rooms.room()]
  assert.equal(one.reserve(), 500)
  assert.equal(two.left, 250)
  one.inUse = 100
  one.release(0)
  assert.equal(two.left, 450)
})

test('after a read for which the room was too small there is none until there is an eighth, or what was wanted', () => {
  const room = new ByteRooms(800).room()
  const isOpenWith = (inUse: number): boolean => {
    room.inUse = inUse
    return room.isOpen
  }
  assert.deepEqual([799, 800].map(isOpenWith), [true, false])
  room.reserve()
  room.release(10)
  assert.deepEqual([701, 700].map(isOpenWith), [false, true])
  room.release(300)
  assert.deepEqual([501, 500].map(isOpenWith), [false, true])
  room.release(5_000)
  assert.deepEqual([1, 0].map(isOpenWith), [false, true], 'with nothing beside it anything may be read')
})

test('as many bytes again may wait for locks and take no room from the rest', () => {
  const inHand = new InHand(new ByteRooms(100).room())
  const lane = { hand: inHand.of(0) }
  const [a, b, c] = [
    { id: 'a', lane, bytes: 60 },
    { id: 'b', lane, bytes: 60 },
    { id: 'c', lane, bytes: 60 },
  ]
  for (const one of [a, b, c]) inHand.add(one)
  assert.equal(inHand.space(10), 0)
  inHand.waitForLock(a, true)
  assert.equal(inHand.room.inUse, 120)
  inHand.waitForLock(b, false)
  assert.equal(inHand.room.inUse, 80, 'no more than as many again')
  assert.equal(inHand.space(10), 9)
  inHand.remove(a)
  assert.equal(inHand.room.inUse, 60)
  inHand.remove(b)
  inHand.remove(c)
  assert.equal(inHand.room.inUse, 0)
})
