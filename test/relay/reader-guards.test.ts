import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Pause } from '../../src/foundation/pause.ts'
import { bytesOf } from '../../src/relay/bounded-fetch.ts'
import { ByteRooms } from '../../src/relay/byte-rooms.ts'
import { InHand } from '../../src/relay/in-hand.ts'
import { LaneReader } from '../../src/relay/lane-reader.ts'
import { Pace } from '../../src/relay/pace.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { FetchedRow, RelayStore } from '../../src/store/relay-store.ts'
import type { Store } from '../../src/store/store.ts'
import { insert, NAMES, newEvent, own } from '../../src/testing/store/steps.ts'
import { openLanes } from './open-lanes.ts'

/** A reader of one lane whose statements the test lets go one by one: nothing else reads or sweeps. */
async function stepped(events: number, lanes = 1, largest = Number.POSITIVE_INFINITY, bytes = 2 ** 30) {
  const store = memoryStore({ lanes }) as Store
  const { ownership } = await own(store)
  await insert(store, ...Array.from({ length: events }, () => newEvent({ partitionKey: 'k' })))
  const asked: string[] = []
  let gate: Promise<unknown> = Promise.resolve()
  const relay: RelayStore = {
    ...store.relay,
    async unpark(...of) {
      asked.push('unpark')
      return store.relay.unpark(...of)
    },
    /** What is found is of the time before the gate. */
    async fetch(...of) {
      const wanted = of[1].reduce((sum, { limit }) => sum + limit, 0)
      if (wanted > largest) throw new Error('canceled: it took too long')
      const rows = await store.relay.fetch(...of)
      asked.push('fetch')
      await gate
      return rows
    },
  }
  const inHand = new InHand(new ByteRooms(bytes).room())
  const open = openLanes(lanes, inHand)
  const laneOf = (number: number) => open.get(number) ?? assert.fail()
  const reader = new LaneReader(relay, NAMES, open, inHand, new Pace(), new Pause())
  const taken = (row: FetchedRow) => ({ id: row.id, lane: laneOf(row.lane), bytes: bytesOf(row) })
  /** Reads, and takes in hand what is new. */
  const read = async (space: number): Promise<readonly FetchedRow[]> => {
    const rows: FetchedRow[] = []
    await reader.read(space, (row) => {
      inHand.add(taken(row))
      rows.push(row)
    })
    return rows
  }
  return {
    reader,
    inHand,
    laneOf,
    remove: (row: FetchedRow): void => inHand.remove(taken(row)),
    asked,
    read,
    insert: (...keys: string[]) => insert(store, ...keys.map((partitionKey) => newEvent({ partitionKey }))),
    async published(row: FetchedRow) {
      const { id, lane, generation } = row
      await store.relay.settle(ownership, [{ kind: 'published', id, lane, generation }])
      inHand.remove(taken(row))
    },
    /** Fetches end when the returned function is called. */
    pause() {
      const { promise, resolve } = Promise.withResolvers<void>()
      gate = promise
      return resolve
    },
  }
}

test('a read that was under way when an event went back is forgotten: the next of its key was in it', async () => {
  const { reader, laneOf, remove, read, pause, asked } = await stepped(2)
  const [first = assert.fail()] = await read(1)
  const go = pause()
  reader.wake()
  asked.length = 0
  const underWay = read(10)
  while (asked.at(-1) !== 'fetch') await turn()
  remove(first)
  reader.rewindTo(laneOf(first.lane), first.seq)
  go()
  assert.deepEqual(await underWay, [])
  assert.equal(reader.hasForgotten, true)
  const rows = await read(10)
  assert.deepEqual(
    rows.map(({ seq }) => seq),
    [1, 2],
  )
})

test('an event settled while a read was under way is not taken again from what that read found', async () => {
  const { reader, read, pause, published, asked } = await stepped(1)
  const [first = assert.fail()] = await read(10)
  const go = pause()
  reader.sweepNext()
  reader.wake()
  asked.length = 0
  const underWay = read(10)
  while (asked.at(-1) !== 'fetch') await turn()
  await published(first)
  go()
  assert.deepEqual(await underWay, [])
})

test('nothing is brought back while an event is on its way to be parked: its head would come back alone', async () => {
  const { reader, inHand, read, asked } = await stepped(2)
  const [first = assert.fail()] = await read(1)
  inHand.beginParking(first.id)
  asked.length = 0
  reader.sweepNext()
  reader.wake()
  const underWay = read(10)
  for (let n = 0; n < 20; n++) await turn()
  assert.deepEqual(asked, [])
  inHand.endParking(first.id)
  await underWay
  assert.deepEqual(asked, ['unpark', 'fetch'])
})

test('what went back in one lane, or was opened anew, makes no other wait: a slow read would never end', async () => {
  const { reader, laneOf, remove, read, pause, asked, insert: publish } = await stepped(0, 3)
  // As many keys as it takes for each lane to have one.
  await publish(...Array.from({ length: 40 }, (_, n) => `key ${n}`))
  const first = await read(3)
  for (const row of first) remove(row)
  reader.rewind()
  const go = pause()
  asked.length = 0
  const underWay = read(1_000)
  while (asked.at(-1) !== 'fetch') await turn()
  reader.rewindTo(laneOf(0), 1)
  laneOf(1).enter({ kind: 'reconciling' })
  laneOf(1).open(0)
  reader.sweepNext()
  go()
  const rows = await underWay
  assert.ok(rows.length > 0)
  assert.deepEqual(new Set(rows.map(({ lane }) => lane)), new Set([2]))
  assert.equal(reader.hasForgotten, true)
  assert.equal(rows.length + (await read(1_000)).length, 40)
})

test('reads that are too large for the time they have become smaller, down to one event, and larger again', async () => {
  const { read, published, asked, insert: publish } = await stepped(0, 64, 1)
  await publish(...Array.from({ length: 40 }, (_, n) => `key ${n}`))
  let seen = 0
  for (let reads = 0; seen < 40; reads++) {
    assert.ok(reads < 2_000)
    for (const row of await read(1_000).catch(() => [])) {
      seen++
      await published(row)
    }
  }
  assert.ok(asked.filter((what) => what === 'fetch').length >= 40)
})

test('a lane of which more was found than there is room for is read on from there, in order', async () => {
  // Their data is {"n":1}, 7 bytes.
  const { reader, read, published } = await stepped(7, 1, undefined, 20)
  const waiting = [...(await read(10))]
  assert.deepEqual(
    waiting.map(({ seq }) => seq),
    [1, 2],
  )
  assert.equal(reader.hungry, true, 'there is more, and nobody calls for it')
  assert.equal(reader.hasForgotten, true)
  assert.deepEqual(await read(10), [], 'there is no room yet')
  for (let next = 3; next <= 7; next++) {
    await published(waiting.shift() ?? assert.fail())
    assert.equal(reader.hungry, true)
    const rows = await read(10)
    assert.deepEqual(
      rows.map(({ seq, data }) => [seq, data]),
      [[next, '{"n":1}']],
    )
    waiting.push(...rows)
  }
})
