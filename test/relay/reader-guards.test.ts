import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Pause } from '../../src/foundation/pause.ts'
import { HeldKeys } from '../../src/relay/held-keys.ts'
import { InHand } from '../../src/relay/in-hand.ts'
import { LaneReader } from '../../src/relay/lane-reader.ts'
import { Pace } from '../../src/relay/pace.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { FetchedRow, RelayStore } from '../../src/store/relay-store.ts'
import type { Store } from '../../src/store/store.ts'
import { insert, NAMES, newEvent, own } from '../../src/testing/store/steps.ts'

/** A reader of one lane whose statements the test lets go one by one: nothing else reads or sweeps. */
async function stepped(events: number) {
  const store = memoryStore({ lanes: 1 }) as Store
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
      const rows = await store.relay.fetch(...of)
      asked.push('fetch')
      await gate
      return rows
    },
  }
  const inHand = new InHand()
  const reader = new LaneReader(relay, NAMES, inHand, new HeldKeys(), new Pace(), new Pause())
  reader.open([0], () => 0)
  /** Reads, and takes in hand what is new. */
  const read = async (space: number): Promise<readonly FetchedRow[]> => {
    const rows: FetchedRow[] = []
    await reader.read(space, (row) => {
      inHand.add(row.id, row.lane)
      rows.push(row)
    })
    return rows
  }
  return {
    reader,
    inHand,
    asked,
    read,
    async published({ id, lane, generation }: FetchedRow) {
      await store.relay.settle(ownership, [{ kind: 'published', id, lane, generation }])
      inHand.remove(id)
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
  const { reader, inHand, read, pause, asked } = await stepped(2)
  const [first = assert.fail()] = await read(1)
  const go = pause()
  reader.wake()
  asked.length = 0
  const underWay = read(10)
  while (asked.at(-1) !== 'fetch') await turn()
  inHand.remove(first.id)
  reader.rewindTo(first.lane, first.seq)
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
