/** Lanes that come, stay and go, on clocks and a store that the test holds. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { CycleOptions } from '../../src/relay/cycle-options.ts'
import { InHand } from '../../src/relay/in-hand.ts'
import type { Lane } from '../../src/relay/lane.ts'
import { Lanes, type LanesParts } from '../../src/relay/lanes.ts'
import { Lease } from '../../src/relay/lease.ts'
import type { LaneRow } from '../../src/store/coordination-store.ts'
import type { HeldHead } from '../../src/store/relay-store.ts'

const row = (lane: number): LaneRow =>
  ({ backend: 'main', lane, owner: 'w', fence: 1, attention: 0, hold: 0, holdLeft: null, quietFor: 0 }) as LaneRow
const head = (dueIn: number | null): HeldHead => ({
  id: 'e1',
  seq: 1,
  lane: 0,
  partitionKey: 'k',
  generation: 0,
  dueIn,
})

function stepped(t: TestContext) {
  let now = 1_000_000
  t.mock.method(performance, 'now', () => now)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const state = { heads: [] as readonly HeldHead[], isAway: false, answer: undefined as Promise<void> | undefined }
  const [looks, closed, errors]: [string[], string[], unknown[]] = [[], [], []]
  const inHand = new InHand()
  const relay = {
    reconcile: async (_names: unknown, numbers: readonly number[]) => {
      looks.push(numbers.join(' '))
      if (state.isAway) throw new Error('away')
      await state.answer
      return state.heads
    },
  }
  const sizes = { concurrency: 2, batchSize: 10, reconcileInterval: 60_000 }
  const onError = (error: unknown): void => void errors.push(error)
  const options = { name: 'main', names: ['main'], store: { relay }, lease: new Lease(10_000), ...sizes, onError }
  const parts = {
    options: options as unknown as CycleOptions,
    lanes: new Map<number, Lane>(),
    inHand,
    reader: { sweepNext: () => undefined },
    onClosed: (numbers: ReadonlySet<number>) => closed.push([...numbers].join(' ')),
    onOpened: () => undefined,
  }
  const lanes = new Lanes(parts as unknown as LanesParts)
  const settle = async (): Promise<void> => {
    for (let n = 0; n < 3; n++) await turn()
  }
  return {
    lanes,
    state,
    looks,
    closed,
    errors,
    settle,
    lane: (number = 0): Lane => lanes.get(number) ?? assert.fail(`lane ${number} is not ours`),
    take: (id: string) => {
      const taken = { id, bytes: 1, lane: { hand: inHand.of(0) } }
      inHand.add(taken)
      return taken
    },
    inHand,
    async pass(ms: number) {
      now += ms
      t.mock.timers.tick(ms)
      await settle()
    },
  }
}

const NOBODY: ReadonlySet<number> = new Set()

test('a lane is opened with what holds its keys, and under suspicion where its owner died', async (t) => {
  const { lanes, state, lane, closed } = stepped(t)
  state.heads = [head(null)]
  await lanes.gain([row(0), row(1)], 'w', new Set([0]))
  assert.deepEqual([lane(0).phase.kind, lane(1).phase.kind], ['open', 'open'])
  assert.equal(lane(0).keys.blocker('k', 9)?.id, 'e1')
  assert.equal(lane(1).keys.blocker('k', 9), undefined)
  assert.deepEqual([lane(0).position?.suspects, lane(1).position?.suspects], [20, 0])
  await lanes.reconcile([lane(0)])
  assert.equal(lane(0).position?.suspects, 0, 'once')
  assert.equal(closed.at(-1), '0', 'what was not sent went back')
})

test('operators who go on changing a lane neither keep it closed nor have it looked at twice at a time', async (t) => {
  const { lanes, state, looks, lane, pass, settle } = stepped(t)
  await lanes.gain([row(0), row(1)], 'w', NOBODY)
  let answer = (): void => undefined
  state.answer = new Promise<void>((resolve) => {
    answer = resolve
  })
  void lanes.touch([lane(0)])
  await settle()
  await lanes.touch([lane(0)])
  await pass(1_000)
  await lanes.touch([lane(0)])
  assert.deepEqual(looks, ['0 1', '0'], 'one look at a time')
  state.answer = undefined
  answer()
  await settle()
  assert.equal(lane(0).phase.kind, 'open', 'it is read meanwhile')
  await lanes.touch([lane(0), lane(1)])
  assert.deepEqual(looks, ['0 1', '0', '1'], 'another lane is none of it')
  await pass(2_999)
  assert.equal(looks.length, 3)
  await pass(1)
  assert.deepEqual(looks, ['0 1', '0', '1', '0'], 'once for all of them')
  await pass(10_000)
  assert.equal(looks.length, 4)
})

test('events that operators bring back one after the other cost no look each: the lane is read meanwhile', async (t) => {
  const { lanes, state, looks, lane, pass, settle } = stepped(t)
  state.heads = [head(null)]
  let answer = (): void => undefined
  state.answer = new Promise<void>((resolve) => {
    answer = resolve
  })
  void lanes.gain([row(0)], 'w', NOBODY)
  await settle()
  // It reads thousands that failed.
  await pass(1_000)
  state.answer = undefined
  answer()
  await settle()
  assert.deepEqual(looks, ['0'])
  for (let n = 0; n < 100; n++) {
    lanes.lookAgain(lane())
    await pass(29)
    assert.equal(lane().phase.kind, 'open')
    assert.equal(lane().keys.blocker('k', 9)?.id, 'e1', 'its key waits')
  }
  assert.deepEqual(looks, ['0'])
  await pass(100)
  assert.deepEqual(looks, ['0', '0'], 'one for all of them')
  lanes.lookAgain(lane())
  await settle()
  assert.deepEqual(looks, ['0', '0', '0'], 'at once where a look takes no time')
})

test('what is in hand of an earlier ownership ends before the lane is looked at', async (t) => {
  const { lanes, looks, take, inHand, settle, lane } = stepped(t)
  const taken = take('e1')
  void lanes.gain([row(0)], 'w', NOBODY)
  await settle()
  assert.deepEqual(looks, [])
  inHand.remove(taken)
  await settle()
  assert.deepEqual(looks, ['0'])
  assert.equal(lane().phase.kind, 'open')
})

test('what an earlier ownership still does has no say once the lane is back', async (t) => {
  const { lanes, lane } = stepped(t)
  await lanes.gain([row(0)], 'w', NOBODY)
  const earlier = lane()
  assert.equal(lanes.has(earlier), true)
  await lanes.gain([{ ...row(0), fence: 2 }], 'w', NOBODY)
  assert.equal(earlier.phase.kind, 'lost')
  assert.deepEqual([lanes.has(earlier), lanes.has(lane()), lane().keys === earlier.keys], [false, true, true])
  await lanes.drain([lane()])
  assert.equal(lanes.has(lane()), false, 'given back')
})

test('each lane is looked at again within the interval, and a head that is overdue at once', async (t) => {
  const { lanes, looks, lane, pass, take, settle } = stepped(t)
  await lanes.gain([row(0)], 'w', NOBODY)
  take('e1')
  lanes.patrol()
  assert.equal(looks.length, 1)
  await pass(60_001)
  lanes.patrol()
  await settle()
  assert.equal(lane().phase.kind, 'reconciling', 'when what is in hand has ended')
  lane().hand.remove('e1')
  await settle()
  assert.equal(looks.length, 2)
  for (const [dueAt, count] of [
    [null, 2],
    [performance.now() - 4_000, 2],
    [performance.now() - 5_000, 3],
  ] as const) {
    lanes.doubt(lane(), dueAt)
    await settle()
    assert.equal(looks.length, count)
  }
})

test('a lane with a row that stays, since it is locked, is looked at again soon', async (t) => {
  const { lanes, state, looks, pass } = stepped(t)
  state.heads = [head(0)]
  await lanes.gain([row(0)], 'w', NOBODY)
  state.heads = [head(5_000)]
  await pass(2_000)
  assert.deepEqual(looks, ['0', '0'])
  await pass(60_000)
  assert.deepEqual(looks, ['0', '0'])
})

test('a store that does not say what holds the keys is asked again', async (t) => {
  const { lanes, state, looks, errors, pass, settle, lane } = stepped(t)
  state.isAway = true
  void lanes.gain([row(0)], 'w', NOBODY)
  await settle()
  assert.deepEqual([looks.length, errors.length, lane().phase.kind], [1, 1, 'reconciling'])
  state.isAway = false
  await pass(500)
  assert.deepEqual([looks.length, lane().phase.kind], [2, 'open'])
})

test('a lane that goes waits a while for what is locked, and no longer', async (t) => {
  const { lanes, lane, take, inHand, pass, settle } = stepped(t)
  await lanes.gain([row(0)], 'w', NOBODY)
  inHand.waitForLock(take('e1'), false)
  const drained: Lane[] = []
  void lanes.drain([lane()]).then((some) => drained.push(...some))
  await settle()
  assert.equal(drained.length, 0)
  await pass(10_000)
  assert.equal(drained.length, 1)
})

test('after the end no lane is opened', async (t) => {
  const { lanes, looks, take, inHand, settle, closed } = stepped(t)
  const taken = take('e1')
  void lanes.gain([row(0)], 'w', NOBODY)
  await settle()
  void lanes.close()
  void lanes.gain([row(1)], 'w', NOBODY)
  inHand.remove(taken)
  await settle()
  assert.deepEqual(looks, [])
  assert.ok(closed.includes('0'))
})
