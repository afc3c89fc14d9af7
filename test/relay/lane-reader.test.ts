import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Pause } from '../../src/foundation/pause.ts'
import { InHand } from '../../src/relay/in-hand.ts'
import type { Lane } from '../../src/relay/lane.ts'
import { LaneReader } from '../../src/relay/lane-reader.ts'
import { Pace } from '../../src/relay/pace.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { FetchedRow, RelayStore } from '../../src/store/relay-store.ts'
import type { Store } from '../../src/store/store.ts'
import { insert, NAMES, newEvent, own } from '../../src/testing/store/steps.ts'
import { openLanes } from './open-lanes.ts'

test('a reader without lanes has nothing that is due, before it gets its first and after it gave its last', () => {
  const inHand = new InHand()
  const lanes = new Map<number, Lane>()
  const reader = new LaneReader(memoryStore({ lanes: 1 }).relay, ['main'], lanes, inHand, new Pace(), new Pause())
  assert.equal(reader.nextDueAt, Number.POSITIVE_INFINITY)
  const [[, lane] = assert.fail()] = openLanes(1, inHand)
  lanes.set(0, lane)
  assert.ok(reader.nextDueAt <= performance.now())
  lane.enter({ kind: 'draining' })
  reader.sweepNext()
  assert.equal(reader.nextDueAt, Number.POSITIVE_INFINITY)
})

for (const isToldOf of [false, true]) {
  const how = isToldOf ? 'an unpark whose answer was lost' : 'somebody else'
  test(`rows that ${how} brought back below the cursor come before what is beyond it, however few are read at once`, async () => {
    const store = memoryStore({ lanes: 1 }) as Store
    const { ownership } = await own(store)
    await insert(store, ...Array.from({ length: 5 }, () => newEvent({ delay: 300 })))
    await insert(store, newEvent(), newEvent())
    let isLost = false
    const relay: RelayStore = {
      ...store.relay,
      async unpark(...of) {
        const report = await store.relay.unpark(...of)
        if (isLost) throw new Error('no answer')
        return report
      },
    }
    const inHand = new InHand()
    const reader = new LaneReader(relay, NAMES, openLanes(1, inHand), inHand, new Pace(), new Pause())
    const seen: number[] = []
    /** Reads a few, and has them delivered. */
    const read = async (): Promise<number> => {
      const rows: FetchedRow[] = []
      await reader.read(2, (row) => rows.push(row))
      seen.push(...rows.map(({ seq }) => seq))
      const outcomes = rows.map(({ id, lane, generation }) => ({ kind: 'published', id, lane, generation }) as const)
      await store.relay.settle(ownership, outcomes)
      return rows.length
    }
    await read()
    assert.deepEqual(seen.splice(0), [6, 7])
    await insert(store, ...Array.from({ length: 4 }, () => newEvent()))
    await delay(310)
    if (isToldOf) {
      isLost = true
      reader.sweepNext()
      await assert.rejects(read(), /no answer/)
      isLost = false
    } else {
      await store.relay.unpark(NAMES, [0], 100)
      reader.sweepNext()
    }
    reader.wake()
    while (seen.length < 9) {
      if ((await read()) === 0) reader.wake()
    }
    assert.deepEqual(seen, [1, 2, 3, 4, 5, 8, 9, 10, 11])
  })
}

test('an event whose transaction committed late comes before the next of its key, published at once after that', async () => {
  const store = memoryStore({ lanes: 1 }) as Store
  const { ownership } = await own(store)
  const [late] = await insert(store, newEvent({ partitionKey: 'k' }))
  const uncommitted = new Set([late?.id])
  const relay: RelayStore = {
    ...store.relay,
    fetch: async (...of) => (await store.relay.fetch(...of)).filter(({ id }) => !uncommitted.has(id)),
  }
  const inHand = new InHand()
  const reader = new LaneReader(relay, NAMES, openLanes(1, inHand), inHand, new Pace(), new Pause())
  const seen: (string | null)[] = []
  const settled = async (): Promise<void> => {
    const rows: FetchedRow[] = []
    await reader.read(100, (row) => rows.push(row))
    seen.push(...rows.map(({ partitionKey, seq }) => `${partitionKey} ${seq}`))
    const outcomes = rows.map(({ id, lane, generation }) => ({ kind: 'published', id, lane, generation }) as const)
    await store.relay.settle(ownership, outcomes)
    reader.wake()
  }
  // The cursor passes the one that is not committed, again and again: a read may be a sweep because its time has come.
  for (let n = 0; n < 5; n++) {
    await insert(store, newEvent({ partitionKey: 'other' }))
    await settled()
  }
  assert.equal(seen.length, 5)
  uncommitted.clear()
  await insert(store, newEvent({ partitionKey: 'k' }))
  while (seen.length < 7) await settled()
  assert.deepEqual(seen.slice(5), ['k 1', 'k 7'])
})

for (const isGuarded of [true, false]) {
  const where = isGuarded ? 'below the floor' : 'of which nobody knew when the floor was found'
  test(`where reads from the heads are dear, too: an event ${where}`, async () => {
    const store = memoryStore({ lanes: 2 }) as Store
    const { ownership } = await own(store)
    const running = new Set<string>()
    let drawn = 0
    const uncommitted = new Set<string | undefined>()
    let heads = 0
    const relay: RelayStore = {
      ...store.relay,
      writers: async () => ({ server: 'it', running: new Set(running), drawn }),
      async fetch(names, cursors, ...more) {
        const count = cursors.filter(({ after }) => after < 0).length
        heads += count
        await delay(4 * count)
        return (await store.relay.fetch(names, cursors, ...more)).filter(({ id }) => !uncommitted.has(id))
      },
    }
    const inHand = new InHand()
    const reader = new LaneReader(relay, NAMES, openLanes(2, inHand), inHand, new Pace(), new Pause())
    const seen: (string | null)[] = []
    const read = async (): Promise<void> => {
      const rows: FetchedRow[] = []
      await reader.read(100, (row) => rows.push(row))
      seen.push(...rows.map(({ partitionKey, seq }) => `${partitionKey} ${seq}`))
      const outcomes = rows.map(({ id, lane, generation }) => ({ kind: 'published', id, lane, generation }) as const)
      await store.relay.settle(ownership, outcomes)
      reader.wake()
    }
    const insertLate = async (): Promise<void> => {
      running.add('late')
      const [late] = await insert(store, newEvent({ partitionKey: 'k' }))
      uncommitted.add(late?.id)
      drawn++
    }
    if (isGuarded) await insertLate()
    for (let n = 0; n < 9; n++) {
      await insert(store, newEvent({ partitionKey: 'other' }))
      drawn++
      reader.sweepNext()
      await read()
    }
    assert.equal(seen.length, 9)
    heads = 0
    await read()
    assert.equal(heads, 0, 'lanes are read from floors')
    if (!isGuarded) await insertLate()
    await insert(store, newEvent({ partitionKey: 'other' }))
    await read()
    running.clear()
    uncommitted.clear()
    await insert(store, newEvent({ partitionKey: 'k' }))
    while (seen.length < 12) await read()
    const [first, second] = isGuarded ? [1, 12] : [10, 12]
    assert.deepEqual(seen.slice(10), [`k ${first}`, `k ${second}`])
  })
}

test('lanes whose reads from the heads are dear get floors in parts, and no transaction that ends takes all of it back', async () => {
  const [count, each] = [32, 6]
  const store = memoryStore({ lanes: count }) as Store
  const { ownership } = await own(store)
  const running = new Set<string>()
  const uncommitted = new Set<string | undefined>()
  let drawn = 0
  let heads: number[] = []
  const relay: RelayStore = {
    ...store.relay,
    writers: async () => ({ server: 'it', running: new Set(running), drawn }),
    async fetch(names, cursors, ...more) {
      heads.push(cursors.filter(({ after }) => after < 0).length)
      await delay(each * (heads.at(-1) ?? 0))
      return (await store.relay.fetch(names, cursors, ...more)).filter(({ id }) => !uncommitted.has(id))
    },
  }
  const inHand = new InHand()
  const reader = new LaneReader(relay, NAMES, openLanes(count, inHand), inHand, new Pace(), new Pause())
  const seen: string[] = []
  const read = async (): Promise<void> => {
    const rows: FetchedRow[] = []
    await reader.read(200, (row) => rows.push(row))
    seen.push(...rows.map(({ seq }) => String(seq)))
    const outcomes = rows.map(({ id, lane, generation }) => ({ kind: 'published', id, lane, generation }) as const)
    await store.relay.settle(ownership, outcomes)
  }
  const publish = async (key: string): Promise<string | undefined> => {
    const [event] = await insert(store, newEvent({ partitionKey: key }))
    drawn++
    return event?.id
  }
  // As many events as are more than a little: a read that finds them says that it is dear, too.
  for (let n = 1; n <= 60; n++) await publish(`key-${n}`)
  const sum = (): number => heads.reduce((total, one) => total + one, 0)
  await read()
  reader.wake()
  do await read()
  while (reader.hasForgotten)
  assert.equal(seen.length, 60)
  assert.equal(heads[0], count)
  assert.ok(
    heads.slice(1).every((one) => one <= 10),
    `in parts: ${heads}`,
  )
  assert.ok(sum() >= 2 * count && sum() <= 2 * count + 2, `each twice: ${heads}`)
  // A transaction runs for some time, so that the floors of all lanes know of it.
  running.add('long')
  uncommitted.add(await publish('k'))
  const end = performance.now() + 600
  while (performance.now() < end) {
    reader.sweepNext()
    reader.wake()
    await read()
  }
  heads = []
  running.clear()
  uncommitted.clear()
  await publish('k')
  reader.wake()
  for (let n = 0; n < 9 && seen.length < 62; n++) await read()
  assert.deepEqual(seen.slice(60), ['61', '62'])
  assert.ok(sum() <= 3, `from where it had begun: ${heads}`)
  reader.rewind()
  await read()
  assert.equal(heads.at(-1), count, 'a probe has all lanes to choose from')
})

test('in a backlog, too, an event whose transaction committed late comes before the next of its key', async () => {
  const store = memoryStore({ lanes: 1 }) as Store
  const { ownership } = await own(store)
  const [late] = await insert(store, newEvent({ partitionKey: 'k' }))
  await insert(store, ...Array.from({ length: 8 }, () => newEvent({ partitionKey: 'other' })))
  const uncommitted = new Set([late?.id])
  const relay: RelayStore = {
    ...store.relay,
    async fetch(names, [cursor]) {
      if (cursor === undefined) return []
      const rows = await store.relay.fetch(names, [{ ...cursor, limit: cursor.limit + uncommitted.size }])
      return rows.filter(({ id }) => !uncommitted.has(id)).slice(0, cursor.limit)
    },
  }
  const inHand = new InHand()
  const reader = new LaneReader(relay, NAMES, openLanes(1, inHand), inHand, new Pace(), new Pause())
  const seen: (string | null)[] = []
  const settled = async (): Promise<void> => {
    const rows: FetchedRow[] = []
    await reader.read(3, (row) => rows.push(row))
    seen.push(...rows.map(({ partitionKey, seq }) => `${partitionKey} ${seq}`))
    const outcomes = rows.map(({ id, lane, generation }) => ({ kind: 'published', id, lane, generation }) as const)
    await store.relay.settle(ownership, outcomes)
  }
  await settled()
  assert.ok(seen.length < 8, 'there is a backlog')
  uncommitted.clear()
  await insert(store, newEvent({ partitionKey: 'k' }))
  const end = performance.now() + 5_000
  while (seen.length < 10 && performance.now() < end) await settled()
  assert.deepEqual(
    seen.filter((key) => key?.startsWith('k ')),
    ['k 1', 'k 10'],
  )
})

test('lanes that have little wait for no backlog of another', async () => {
  const store = memoryStore({ lanes: 2 }) as Store
  await own(store)
  await insert(store, ...Array.from({ length: 50 }, () => newEvent({ partitionKey: 'hot' })))
  const hot =
    (
      await store.relay.fetch(
        NAMES,
        [0, 1].map((lane) => ({ lane, after: 0, limit: 1 })),
      )
    )[0]?.lane ?? 0
  const inHand = new InHand()
  const lanes = openLanes(2, inHand)
  const reader = new LaneReader(store.relay, NAMES, lanes, inHand, new Pace(), new Pause())
  const read = async (): Promise<readonly FetchedRow[]> => {
    const rows: FetchedRow[] = []
    await reader.read(4, (row) => {
      inHand.add({ id: row.id, lane: lanes.get(row.lane) ?? assert.fail(), bytes: 0 })
      rows.push(row)
    })
    return rows
  }
  await read()
  let key = 0
  let elsewhere: { readonly lane: number } | undefined
  while (elsewhere === undefined) {
    const [row] = await insert(store, newEvent({ partitionKey: `key-${key++}` }))
    if (row?.lane !== hot) elsewhere = row
  }
  reader.wake()
  const rows = [...(await read()), ...(await read())]
  assert.ok(
    rows.some(({ lane }) => lane !== hot),
    'within two reads, whether one of them is a sweep or not',
  )
})
