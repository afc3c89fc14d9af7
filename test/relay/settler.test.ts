/** How outcomes reach the store, when it takes all, some or none of them: step by step, and without a worker. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { BroadcasterError } from '../../src/errors.ts'
import type { HeldEvent } from '../../src/relay/held-event.ts'
import type { Lane } from '../../src/relay/lane.ts'
import { Lease, moment } from '../../src/relay/lease.ts'
import { recordOutcomes } from '../../src/relay/record-outcomes.ts'
import { type Settled, Settler, type SettleWatch } from '../../src/relay/settler.ts'
import type { Outcome, Ownership, SettleReport } from '../../src/store/relay-store.ts'

type Answer = (outcomes: readonly Outcome[]) => Partial<SettleReport> | Error

const AWAY = new BroadcasterError('STORE_UNAVAILABLE', 'away')
const BUSY = new BroadcasterError('STORE_BUSY', 'locked')
const REFUSED = new Error('invalid byte sequence')
const OWNERSHIP: Ownership = { workerId: 'w', backend: 'main', fences: new Map() }

const published = (id: string, lane = 0): Outcome => ({ kind: 'published', id, lane, generation: 0 })
const retry = (id: string, lane = 0): Outcome => ({
  kind: 'retry',
  id,
  lane,
  generation: 0,
  retryCount: 1,
  delay: 0,
  error: 'no',
})

/** A store that answers as the test says, and a settler on it. */
function settling(answer: Answer, lease = new Lease(10_000)) {
  const asked: string[][] = []
  const said: string[] = []
  const doubted: number[] = []
  /** Lanes that are not ours any more. */
  const gone = new Set<number>()
  const told: string[] = []
  const errors: unknown[] = []
  const store = {
    async settle(_ownership: Ownership, outcomes: readonly Outcome[]): Promise<SettleReport> {
      asked.push(outcomes.map(({ id }) => id))
      // A settler that never pauses must not keep the test from failing.
      await turn()
      const given = answer(outcomes)
      if (given instanceof Error) throw given
      return { lost: [], busy: [], ...given }
    },
  }
  const waiting = new Map<string, (how: Settled) => void>()
  const watch: SettleWatch = {
    putOff: () => told.push('put off'),
    locked: () => told.push('locked'),
    settled: ({ held: { id } }, how) => {
      said.push(`${id} ${how}`)
      waiting.get(id)?.(how)
    },
    through: () => undefined,
  }
  const lanes = {
    has: ({ number }: Lane): boolean => !gone.has(number),
    distrust: (some: readonly Lane[]) => doubted.push(...some.map(({ number }) => number)),
  }
  lease.extend(moment())
  const settler = new Settler({ store, lanes, lease, watch, onError: (error) => errors.push(error) })
  const add = (outcome: Outcome): Promise<Settled> =>
    new Promise((resolve) => {
      waiting.set(outcome.id, resolve)
      const held = { id: outcome.id, lane: { number: outcome.lane, ownership: OWNERSHIP } } as HeldEvent
      settler.add({ held, outcome, purpose: 'end' })
    })
  return { settler, add, asked, said, told, doubted, gone, errors }
}

test('outcomes of one moment share a statement, and each is told what became of it', async () => {
  const { settler, add, asked, said } = settling(() => ({ lost: ['2'] }))
  const all = ['1', '2', '3'].map((id) => add(published(id)))
  await settler.idle()
  assert.deepEqual(await Promise.all(all), ['recorded', 'lost', 'recorded'])
  assert.deepEqual(asked, [['1', '2', '3']])
  assert.equal(said.length, 3)
})

test('a statement has 5,000 outcomes at most', async () => {
  const { settler, add, asked } = settling(() => ({}))
  for (let n = 0; n < 12_000; n++) void add(published(String(n)))
  await settler.idle()
  assert.deepEqual(
    asked.map(({ length }) => length),
    [5_000, 5_000, 2_000],
  )
})

test('a store that is away is asked again, after pauses that grow, until it is there', async () => {
  const start = performance.now()
  const at: number[] = []
  const { settler, add, said } = settling(() => {
    at.push(performance.now() - start)
    return at.length < 4 ? AWAY : {}
  })
  assert.equal(await add(published('1')), 'recorded')
  await settler.idle()
  assert.deepEqual(said, ['1 recorded'])
  const pauses = at.slice(1).map((time, n) => time - (at[n] ?? 0))
  for (const [n, least] of [50, 100, 200].entries()) assert.ok((pauses[n] ?? 0) >= least - 2, `${pauses}`)
})

test('what comes while others are put off waits for none of them', async () => {
  const { settler, add, asked, said, gone } = settling(([first]) => (first?.id === 'bad' ? AWAY : {}))
  void add(retry('bad', 7))
  await delay(10)
  await Promise.all([add(published('1')), add(published('2'))])
  assert.deepEqual(asked, [['bad'], ['1', '2']])
  const third = add(published('3'))
  assert.equal(await third, 'recorded')
  gone.add(7)
  await settler.idle()
  assert.deepEqual(said, ['1 recorded', '2 recorded', '3 recorded', 'bad lost'])
})

test('at the end what the store does not take is tried for as long as a lease, and is lost then', async () => {
  const { settler, add, asked } = settling(() => AWAY, new Lease(200))
  const start = performance.now()
  const first = add(published('1'))
  await delay(100)
  settler.end()
  assert.equal(await first, 'lost')
  await settler.idle()
  assert.ok(performance.now() - start >= 195)
  assert.ok(asked.length >= 3, `${asked.length}`)
})

test('what is not delivered is given up with its ownership of the lane; what was delivered is recorded for its next owner', async () => {
  let isAway = true
  const { add, gone } = settling(() => (isAway ? AWAY : {}))
  gone.add(1)
  const kept = add(published('2', 1))
  assert.equal(await add(retry('1', 1)), 'lost')
  isAway = false
  assert.equal(await kept, 'recorded')
})

test('lanes whose statement got no answer are in doubt, unless all of it was delivered', async () => {
  let isAway = true
  const { settler, add, doubted } = settling(() => (isAway ? AWAY : {}))
  const all = [add(retry('1', 3)), add(published('2', 4))]
  await delay(10)
  assert.deepEqual(doubted, [3])
  isAway = false
  await Promise.all(all)
  await settler.idle()
})

test('an outcome that the store takes in no form is refused, once it took another since', async () => {
  let takes = false
  const { settler, add, said, errors } = settling((outcomes) =>
    !takes || outcomes.some(({ id }) => id === 'bad') ? REFUSED : {},
  )
  void add(published('bad'))
  await delay(30)
  assert.deepEqual(said, [], 'it may be the store that is to blame')
  takes = true
  await add(published('good'))
  await settler.idle()
  assert.deepEqual(said, ['good recorded', 'bad refused'])
  assert.equal((errors.at(-1) as BroadcasterError).code, 'OUTCOME_REFUSED')
})

test('a locked row is told of at each try, and that it is put off once', async () => {
  let tries = 0
  const { settler, add, told } = settling(() => (++tries < 3 ? { busy: ['1'] } : {}))
  assert.equal(await add(published('1')), 'recorded')
  await settler.idle()
  assert.deepEqual(told, ['put off', 'locked', 'locked'])
})

const record = async (outcomes: readonly Outcome[], answer: Answer) => {
  const asked: string[][] = []
  const recording = await recordOutcomes(
    async (some) => {
      asked.push(some.map(({ id }) => id))
      const given = answer(some)
      if (given instanceof Error) throw given
      return { lost: [], busy: [], ...given }
    },
    outcomes,
    () => undefined,
  )
  return { asked, recording }
}

test('of a group that is refused what was delivered goes first, and halves until the one at fault is alone', async () => {
  const group = [retry('1'), published('2'), published('3'), retry('bad')]
  const { asked, recording } = await record(group, (some) => (some.some(({ id }) => id === 'bad') ? REFUSED : {}))
  assert.deepEqual(asked.slice(0, 4), [['1', '2', '3', 'bad'], ['2', '3'], ['1', 'bad'], ['1']])
  assert.deepEqual([...recording.refused], ['bad'])
  assert.deepEqual([...recording.waiting], [])
  assert.equal(recording.took, true)
})

test('a store that takes nothing, however small, is not asked for each outcome', async () => {
  const group = Array.from({ length: 1_000 }, (_, n) => retry(String(n)))
  const { asked, recording } = await record(group, () => REFUSED)
  assert.ok(asked.length < 50, `${asked.length}`)
  assert.equal(recording.waiting.size + recording.refused.size, 1_000)
  assert.equal(recording.took, false)
})

test('a row that is locked waits alone, and is refused by nobody', async () => {
  const { recording } = await record([retry('1'), retry('2')], (some) =>
    some.some(({ id }) => id === '1') ? BUSY : {},
  )
  assert.deepEqual([...recording.waiting], ['1'])
  assert.deepEqual([...recording.locked], ['1'])
  assert.deepEqual([...recording.refused], [])
  assert.deepEqual([...recording.doubtful], [])
})

test('an outcome that is refused is tried in plainer words', async () => {
  const { recording } = await record([{ ...retry('1'), error: 'coupé' } as Outcome], ([only]) =>
    only?.kind === 'retry' && only.error.includes('é') ? REFUSED : {},
  )
  assert.equal(recording.refused.size, 0)
})
