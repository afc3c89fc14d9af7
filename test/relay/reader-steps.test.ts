/** A reader whose clock and store the test holds: what it asks for, when, and from where. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { InHand } from '../../src/relay/in-hand.ts'
import { Lane } from '../../src/relay/lane.ts'
import { HEAD } from '../../src/relay/lane-position.ts'
import { LaneReader } from '../../src/relay/lane-reader.ts'
import { Pace } from '../../src/relay/pace.ts'
import type { FetchedRow, LaneCursor, RelayStore, UnparkReport } from '../../src/store/relay-store.ts'

const NOTHING: UnparkReport = { woken: [], heads: [], locked: [], more: [], nextDueIn: null }

function stepped(t: TestContext, lanes: readonly number[] = [0], suspects = 0) {
  let now = 1_000_000
  t.mock.method(performance, 'now', () => now)
  /** Committed and not settled, by `seq`. */
  const rows = new Map<number, number>()
  const fetched: (readonly LaneCursor[])[] = []
  const limits: number[] = []
  const rests: number[] = []
  const answers: {
    unpark: UnparkReport | Error
    fetch?: Error | undefined
    takes: number
    /** What happens while an unpark runs. */
    meanwhile?: (() => void) | undefined
  } = { unpark: NOTHING, takes: 0 }
  const relay = {
    async unpark(_names: unknown, _lanes: unknown, limit: number) {
      limits.push(limit)
      answers.meanwhile?.()
      now += answers.takes
      if (answers.unpark instanceof Error) throw answers.unpark
      return answers.unpark
    },
    async fetch(_names: unknown, cursors: readonly LaneCursor[]) {
      fetched.push(cursors)
      if (answers.fetch) throw answers.fetch
      return cursors
        .flatMap(({ lane, after, limit }) =>
          [...rows]
            .filter(([seq, of]) => of === lane && seq > after)
            .sort(([a], [b]) => a - b)
            .slice(0, limit),
        )
        .sort(([a], [b]) => a - b)
        .map(([seq, lane]) => ({ id: `e${seq}`, seq, lane, generation: 0, withheld: null, data: null }) as FetchedRow)
    },
    lastSeq: async () => Math.max(0, ...rows.keys()),
  } as unknown as RelayStore
  const inHand = new InHand()
  const own = (number: number): readonly [number, Lane] => {
    const row = {
      backend: 'main',
      lane: number,
      owner: 'w',
      fence: 1,
      attention: 0,
      hold: 0,
      holdLeft: null,
      quietFor: 0,
    }
    const ownership = { workerId: 'w', fences: new Map(), backend: 'main' }
    const lane = new Lane(row, ownership, inHand.of(number), true)
    lane.open(suspects)
    return [number, lane]
  }
  const owned = new Map(lanes.map(own))
  const pace = new Pace()
  const reader = new LaneReader(relay, ['main'], owned, inHand, pace, {
    endWithin: (ms) => void rests.push(ms),
  })
  reader.sweepNext()
  return {
    reader,
    pace,
    inHand,
    owned,
    rows,
    limits,
    rests,
    answers,
    pass: (ms: number) => {
      now += ms
    },
    publish: (from: number, to: number, lane = 0) => {
      for (let seq = from; seq <= to; seq++) rows.set(seq, lane)
    },
    /** What the last fetch asked for. */
    asked: () => fetched.at(-1) ?? [],
    /** Reads and delivers; the `seq` of what was new, with a `!` where it is suspect. */
    async read(space: number): Promise<readonly string[]> {
      const found: string[] = []
      await reader.read(space, ({ seq }, suspect) => {
        found.push(`${seq}${suspect ? '!' : ''}`)
        rows.delete(seq)
      })
      return found
    },
  }
}

test('in a backlog that never ends a sweep still finds what committed late, when its time has come', async (t) => {
  const { read, publish, pass } = stepped(t)
  publish(2, 100)
  assert.deepEqual(await read(3), ['2', '3', '4'])
  publish(1, 1)
  assert.deepEqual(await read(3), ['5', '6', '7'], 'from the cursor')
  pass(10_000)
  assert.deepEqual(await read(3), ['1', '8', '9'])
})

test('a sweep that took long is followed by none for twenty times as long', async (t) => {
  const { read, publish, pass, answers, asked } = stepped(t)
  publish(1, 100)
  answers.takes = 1_000
  await read(3)
  answers.takes = 0
  for (const [after, isSweep] of [
    [15_000, false],
    [4_000, false],
    [2_000, true],
  ] as const) {
    pass(after)
    await read(3)
    assert.equal(asked()[0]?.after === HEAD, isSweep)
  }
})

test('a read from the head asks for as many more as it must leave out', async (t) => {
  const { read, publish, reader, inHand, owned, asked, pass } = stepped(t)
  publish(1, 100)
  const lane = owned.get(0) ?? assert.fail()
  for (let n = 1; n <= 5; n++) inHand.add({ id: `e${n}`, lane, bytes: 0 })
  reader.sweepNext()
  assert.deepEqual(await read(3), ['6', '7', '8'])
  assert.equal(asked()[0]?.limit, 8)
  pass(1)
  assert.deepEqual(await read(3), ['9', '10', '11'], 'from the cursor nothing is left out')
  assert.equal(asked()[0]?.limit, 3)
})

test('as many events as may have been in flight are suspect, and no more', async (t) => {
  const { read, publish } = stepped(t, [0], 2)
  publish(1, 100)
  assert.deepEqual(await read(1), ['1!'])
  assert.deepEqual(await read(2), ['2!', '3'])
})

test('what an unpark brought back below the cursor is read next, though no sweep is due', async (t) => {
  const { read, publish, reader, answers, rows, pass } = stepped(t)
  publish(2, 100)
  // A sweep that took long: the next one is not due for a while.
  answers.takes = 1_000
  await read(3)
  answers.takes = 0
  reader.dueIn(0)
  answers.unpark = { ...NOTHING, woken: [{ lane: 0, count: 1, firstSeq: 1 }] }
  rows.set(1, 0)
  assert.deepEqual(await read(1), ['5'], 'not due yet')
  pass(30)
  assert.deepEqual(await read(2), ['1', '6'])
})

test('a lane is not read while rows that are due there may not be back', async (t) => {
  const { read, publish, reader, answers, limits, asked } = stepped(t, [0, 1])
  publish(1, 10, 0)
  publish(11, 20, 1)
  answers.unpark = { ...NOTHING, more: [0], woken: [{ lane: 0, count: 2_000, firstSeq: 1 }] }
  assert.deepEqual(await read(4), ['11', '12', '13', '14'])
  assert.deepEqual(
    asked().map(({ lane }) => lane),
    [1],
  )
  answers.unpark = NOTHING
  reader.sweepNext()
  assert.ok((await read(4)).includes('1'))
  assert.deepEqual(limits, [2_000, 2_000])
})

test('where the first that are due stay, since they are locked, twice as many are looked at, and a drain leaves them', async (t) => {
  const { read, reader, answers, limits } = stepped(t)
  const locked = { id: 'x', seq: 1, lane: 0, partitionKey: 'k', generation: 0, dueIn: 0 }
  answers.unpark = { ...NOTHING, more: [0], locked: [locked] }
  for (let n = 0; n < 4; n++) {
    reader.sweepNext()
    assert.equal(reader.isDrained, false)
    await read(4)
  }
  assert.deepEqual(limits, [2_000, 4_000, 8_000, 16_000])
  assert.equal(reader.isDrained, true)
  answers.unpark = NOTHING
  for (let n = 0; n < 2; n++) {
    reader.sweepNext()
    await read(4)
  }
  assert.equal(limits.at(-1), 2_000)
})

test('an unpark without an answer is asked again, before anything is read', async (t) => {
  const { read, publish, answers, limits, asked, pass } = stepped(t)
  publish(1, 10)
  await read(3)
  answers.unpark = new Error('no answer')
  pass(10_000)
  for (let n = 0; n < 2; n++) await assert.rejects(read(1), /no answer/)
  answers.unpark = NOTHING
  assert.deepEqual(await read(3), ['4', '5', '6'])
  assert.equal(limits.length, 4)
  assert.equal(asked()[0]?.after, HEAD)
})

test('it knows when parked events are due, by what it was told and by what the store says, and ends the rest for them', async (t) => {
  const { read, reader, rests, answers, pass } = stepped(t)
  answers.unpark = { ...NOTHING, nextDueIn: 7_000 }
  await read(3)
  const due = (): number => reader.nextDueAt - performance.now()
  assert.equal(due(), 7_000)
  assert.equal(reader.hungry, false)
  reader.dueIn(9_000)
  assert.equal(due(), 7_000, 'the earlier one')
  reader.dueIn(400)
  assert.equal(due(), 400)
  assert.deepEqual(rests, [9_000, 400])
  pass(401)
  assert.equal(reader.hungry, true)
})

test('what is recorded as due again while an unpark runs, which has not seen it, is not forgotten', async (t) => {
  const { read, reader, answers } = stepped(t)
  answers.meanwhile = () => reader.dueIn(400)
  for (const nextDueIn of [null, 7_000]) {
    answers.unpark = { ...NOTHING, nextDueIn }
    reader.sweepNext()
    await read(3)
    assert.equal(reader.nextDueAt - performance.now(), 400)
  }
})

test('an event that goes back is read again soon, whoever calls', async (t) => {
  const { read, reader, owned, publish, rests, rows } = stepped(t)
  publish(1, 3)
  assert.deepEqual(await read(10), ['1', '2', '3'])
  await read(10)
  rows.set(2, 0)
  reader.rewindTo(owned.get(0) ?? assert.fail(), 2)
  assert.deepEqual(rests, [25])
  assert.equal(reader.hungry, true)
  assert.deepEqual(await read(10), ['2'])
})

test('when only few rows can be asked for the lanes take turns', async (t) => {
  const lanes = [...Array(8).keys()]
  const { read, reader, publish, answers, asked } = stepped(t, lanes)
  for (const lane of lanes) publish(1 + 100 * lane, 50 + 100 * lane, lane)
  answers.fetch = new Error('canceled')
  for (let n = 0; n < 3; n++) await assert.rejects(read(100), /canceled/)
  answers.fetch = undefined
  const seen = new Set<number>()
  for (let n = 0; n < 8; n++) {
    reader.sweepNext()
    await read(100)
    for (const { lane } of asked()) seen.add(lane)
    if (n === 0) assert.ok(seen.size < 8, `${seen.size}`)
  }
  assert.equal(seen.size, 8)
})

test('while events come fast the next read waits as long as the last one took, and 5 ms at most; otherwise not at all', async (t) => {
  const { read, publish, reader, answers, pass, pace } = stepped(t)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const waits = async (takes: number): Promise<number> => {
    answers.takes = takes
    reader.sweepNext()
    await read(1_000)
    answers.takes = 0
    let isOver = false
    const next = read(1_000).then(() => {
      isOver = true
    })
    let waited = 0
    for (; !isOver && waited < 20; waited++) {
      for (let n = 0; n < 20; n++) await Promise.resolve()
      if (isOver) break
      pass(1)
      t.mock.timers.tick(1)
    }
    await next
    return waited
  }
  publish(1, 1)
  assert.equal(await waits(3), 0)
  pace.found(700)
  assert.equal(await waits(3), 3)
  pace.found(700)
  assert.equal(await waits(40), 5)
  publish(2, 60)
  pace.found(700)
  assert.equal(await waits(3), 0, 'of a backlog more is read at once')
})
