/** What is read of rows and their data, and how much, when there is little room or time. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
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

/** Lanes from 0 on, read from above these numbers; what lies in them; and how long each way takes, in ms. */
function ways(t: TestContext, after: readonly number[]) {
  let now = 1_000_000
  t.mock.method(performance, 'now', () => now)
  const asked: string[] = []
  const state = { rows: [] as readonly { seq: number; lane: number }[], isMuch: false, few: 1, each: 4 }
  const row = ({ seq, lane }: { seq: number; lane: number }) => ({ id: `e${seq}`, seq, lane, data: '', withheld: null })
  const relay = {
    async fetch() {
      asked.push('each')
      now += state.each
      return state.rows.map(row)
    },
    async fetchFew(_names: unknown, above: number) {
      asked.push(`few above ${above}`)
      now += state.few
      return state.isMuch ? undefined : state.rows.map(row)
    },
  } as unknown as RelayStore
  const fetch = new BoundedFetch(relay, ['main'], new ByteRooms(1_000_000).room())
  const cursors = after.map((above, lane) => ({ lane, after: above, limit: 10 }))
  return {
    state,
    pass: (ms: number) => {
      now += ms
    },
    async read(mayBeFew = true) {
      asked.length = 0
      const { rows } = await fetch.fetch(cursors, () => true, mayBeFew)
      fetch.end()
      return { asked: [...asked], seqs: rows.map(({ seq }) => seq) }
    },
  }
}

test('where there is little in many lanes they are read at once, above the least of their numbers, and each above its own', async (t) => {
  const { read, state } = ways(t, [5, 3, 9, 7])
  state.rows = [
    { seq: 4, lane: 1 },
    { seq: 8, lane: 2 },
    { seq: 10, lane: 2 },
    // Of another worker.
    { seq: 11, lane: 20 },
  ]
  assert.deepEqual(await read(), { asked: ['few above 3'], seqs: [4, 10] })
  assert.deepEqual((await read(false)).asked, ['each'], 'there is a backlog')
  assert.deepEqual((await ways(t, [0, 0, 0]).read()).asked, ['each'], 'three lanes are no many')
})

test('where there is more, each lane is read by itself for a second', async (t) => {
  const { read, state, pass } = ways(t, [0, 0, 0, 0])
  state.isMuch = true
  assert.deepEqual((await read()).asked, ['few above 0', 'each'])
  pass(990)
  assert.deepEqual((await read()).asked, ['each'])
  state.isMuch = false
  pass(10)
  assert.deepEqual((await read()).asked, ['few above 0'])
})

test('where all at once takes longer, each lane is read by itself for a second', async (t) => {
  const { read, state, pass } = ways(t, [0, 0, 0, 0])
  const way = async () => (await read()).asked.map((one) => one.split(' ')[0]).join()
  const untilEach = async () => {
    let reads = 0
    while (reads < 100 && (await way()) === 'few') reads++
    return reads
  }
  await read(false)
  for (const took of [1, 20, 20, 1, 20]) {
    state.few = took
    assert.equal(await way(), 'few', 'other work on the machine')
  }
  // A transaction held open keeps all that was delivered since in the index.
  const many = await untilEach()
  assert.ok(many > 20 && many < 100, `${many} reads until it is known`)
  pass(1_000)
  assert.equal(await untilEach(), 10, 'still')
  pass(1_000)
  state.few = 1
  assert.equal(await untilEach(), 100)
})

test('what a read of each lane takes is measured again', async (t) => {
  const { read, state, pass } = ways(t, [0, 0, 0, 0])
  await read(false)
  pass(5_000)
  state.each = 2
  assert.deepEqual((await read()).asked, ['each'])
  state.few = 3
  for (let n = 0; n < 10; n++) assert.deepEqual((await read()).asked, ['few above 0'])
  assert.deepEqual((await read()).asked, ['each'])
})
