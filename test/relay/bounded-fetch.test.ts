/** What is read of rows and their data, and how much, when there is little room or time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BoundedFetch } from '../../src/relay/bounded-fetch.ts'
import { type ByteRoom, ByteRooms } from '../../src/relay/byte-rooms.ts'
import type { FetchedRow, RelayStore } from '../../src/store/relay-store.ts'

const CURSORS = [{ lane: 0, after: 0, limit: 10 }]

/** `sizes`: of the data of each event of one lane, or -1 where it cannot be read. What is above `LARGE` bytes does not come with its row. */
function fetching(sizes: readonly number[], most: number, large = 100) {
  const asked: number[] = []
  const rows = sizes.map((size, n) => {
    const isSmall = size >= 0 && size <= large
    return {
      id: `e${n}`,
      seq: n,
      lane: 0,
      data: isSmall ? 'x'.repeat(size) : null,
      withheld: isSmall ? null : Math.abs(size),
    }
  }) as unknown as FetchedRow[]
  let fails = false
  const relay = {
    async fetch(_names: unknown, cursors: typeof CURSORS) {
      asked.push(cursors[0]?.limit ?? 0)
      if (fails) throw new Error('canceled')
      return rows
    },
    async fetchData(some: readonly FetchedRow[], bytes: number) {
      const found = []
      let left = bytes
      for (const { id, withheld } of some) {
        const size = sizes[Number(id.slice(1))] ?? 0
        if (size < 0) throw new Error('canceled')
        left -= withheld ?? 0
        if (left < 0) break
        found.push({ id, data: 'x'.repeat(size), dataBinary: null })
      }
      return found
    },
  } as unknown as RelayStore
  const room: ByteRoom = new ByteRooms(most).room()
  const fetch = new BoundedFetch(relay, ['main'], room)
  return {
    fetch,
    room,
    asked,
    fail: (isFailing: boolean) => {
      fails = isFailing
    },
    async read() {
      try {
        const { rows: found, cut } = await fetch.fetch(CURSORS, () => true)
        return {
          ids: found.map(({ id }) => id),
          cut: [...cut],
          unreadable: found.filter((row) => 'unreadable' in row).length,
        }
      } finally {
        fetch.end()
      }
    },
  }
}

test('one that is larger than all room is read alone, when nothing else has any', async () => {
  const { read, room } = fetching([5_000, 10], 1_000)
  assert.deepEqual(await read(), { ids: ['e0'], cut: [0], unreadable: 0 })
  room.inUse = 1
  assert.deepEqual(await read(), { ids: [], cut: [0], unreadable: 0 })
})

test('a lane ends before its first event that has no room', async () => {
  const { read } = fetching([600, 300, 600, 10], 1_000)
  assert.deepEqual(await read(), { ids: ['e0', 'e1'], cut: [0], unreadable: 0 })
})

test('an event whose data does not come by itself is to blame the second time', async () => {
  const { read } = fetching([-5_000, 10], 10_000)
  await assert.rejects(read(), /canceled/)
  assert.deepEqual(await read(), { ids: ['e0', 'e1'], cut: [], unreadable: 1 })
})

test('as many rows are asked for as there is likely room for', async () => {
  const { fetch, read } = fetching([100, 100, 100], 1_000)
  assert.equal(fetch.rows(500), 500, 'nothing is known yet')
  await read()
  assert.equal(fetch.rows(500), 2.5)
  assert.equal(fetch.rows(1), 1)
})

test('after a read that failed fewer rows are asked for, and slowly more again', async () => {
  const { fetch, read, fail } = fetching([10], 1_000_000)
  fail(true)
  const mosts: number[] = []
  for (let n = 0; n < 3; n++) {
    await assert.rejects(read(), /canceled/)
    mosts.push(fetch.most)
  }
  fail(false)
  await read()
  mosts.push(fetch.most)
  assert.deepEqual(mosts, [2.5, 1, 1, 2])
})
