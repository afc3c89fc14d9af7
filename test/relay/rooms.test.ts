/** Who may have how much: sends in flight, their destinations, and memory. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Backend } from '../../src/backend/backend.ts'
import type { HeldEvent } from '../../src/relay/held-event.ts'
import { mayBegin } from '../../src/relay/may-begin.ts'
import { MemoryRooms } from '../../src/relay/memory-rooms.ts'
import { SendRooms } from '../../src/relay/send-rooms.ts'
import { SendSlots } from '../../src/relay/send-slots.ts'
import { SendTurns } from '../../src/relay/send-turns.ts'

const backend = {} as Backend

test('a cycle has as many sends at once as it may, and a slot of its outbox for each', () => {
  const slots = new SendSlots({ inAll: 3, atBackend: 3 })
  const turns = new SendTurns(2, backend, slots.share(), () => undefined)
  assert.deepEqual([turns.begin(), turns.begin(), turns.begin()], [true, true, false])
  assert.equal(slots.inUse, 2)
  turns.end()
  assert.equal(slots.inUse, 1)
  assert.equal(turns.begin(), true)
})

test('what is done aside holds no slot meanwhile, and has one again after it', { timeout: 5_000 }, async () => {
  const slots = new SendSlots({ inAll: 1, atBackend: 1 })
  const turns = new SendTurns(1, backend, slots.share(), () => undefined)
  assert.equal(turns.begin(), true)
  const inUse = await turns.aside(async () => slots.inUse)
  assert.deepEqual([inUse, slots.inUse], [0, 1])
})

test('one that waits for its turn begins when there is a slot', { timeout: 5_000 }, async () => {
  const slots = new SendSlots({ inAll: 1, atBackend: 1 })
  const [first, second] = [slots.share(), slots.share()].map(
    (share) => new SendTurns(1, backend, share, () => undefined),
  )
  assert.equal(first?.begin(), true)
  let began = false
  const waiting = second?.wait().then(() => {
    began = true
  })
  await delay(1)
  assert.equal(began, false)
  first?.end()
  await waiting
  assert.equal(slots.inUse, 1)
})

test('a destination has as many sends as it may, and leaves half of what is free', () => {
  const rooms = new SendRooms(100, 2)
  assert.equal(rooms.left('slow'), 50)
  rooms.begin('slow', 50)
  assert.equal(rooms.left('slow'), 0, 'no more than is free beside it')
  assert.equal(rooms.left('other'), 25)
  rooms.end('slow', 50)
  rooms.begin('small', 1)
  assert.equal(rooms.left('small'), 49)
  rooms.begin('small', 1)
  assert.equal(rooms.left('small'), 0, 'two sends')
  rooms.end('small', 1)
  assert.equal(rooms.left('small'), 49)
})

test('a destination that is slow has no more in memory than is left free, and the rest comes back one after the other', async () => {
  const rooms = new MemoryRooms(10)
  const events = Array.from({ length: 10 }, (_, n) => ({ id: String(n) }) as HeldEvent)
  const [first, ...others] = events
  for (const each of events.slice(0, 5)) assert.equal(rooms.enter(each, 'slow'), 0)
  await delay(1_010)
  const wait = rooms.enter(others[5] as HeldEvent, 'slow')
  assert.ok(wait > 400 && wait < 700, `${wait}`)
  assert.equal(rooms.enter(others[6] as HeldEvent, 'quick'), 0)
  rooms.leave(first as HeldEvent, 'slow')
  rooms.leave(others[6] as HeldEvent, 'quick')
  assert.equal(rooms.enter(others[7] as HeldEvent, 'slow'), 0)
})

test('a send begins events while nothing halts it and there is time for one more', async () => {
  let isHalted = false
  const begins = mayBegin({ timeout: 100, eventTimeout: 70 } as Backend, 100, () => isHalted)
  assert.equal(begins(), true)
  isHalted = true
  assert.equal(begins(), false)
  isHalted = false
  await delay(40)
  assert.equal(begins(), false)
})
