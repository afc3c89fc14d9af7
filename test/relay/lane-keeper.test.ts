/** A worker's heartbeat, one beat at a time, on a store that answers as the test says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { LaneKeeper, type LaneKeeperOptions } from '../../src/relay/lane-keeper.ts'
import { Lease } from '../../src/relay/lease.ts'
import type { LaneRow } from '../../src/store/coordination-store.ts'

const LENGTH = 120

const row = (lane: number, owner: string | null): LaneRow =>
  ({ backend: 'main', lane, owner, fence: 1, attention: 0, hold: 0, holdLeft: null, quietFor: 0 }) as LaneRow

function keeping(rows: readonly LaneRow[]) {
  const did: string[] = []
  const answers = {
    rows,
    owned: [] as number[],
    enter: async () => 'me',
    renew: async () => true,
    drained: Promise.resolve(),
    lost: Promise.resolve(),
  }
  const numbers = (some: readonly { readonly lane: number }[]): string => some.map(({ lane }) => lane).join(' ')
  const laneOf = (number: number) => ({ number, isKept: true, answer: undefined, row: row(number, 'me') })
  const lanes = {
    get: (number: number) => (answers.owned.includes(number) ? laneOf(number) : undefined),
    owns: (number: number) => answers.owned.includes(number),
    get owned() {
      return answers.owned.map(laneOf)
    },
    patrol: () => undefined,
    forget: () => undefined,
    reconcile: async () => undefined,
    touch: async () => undefined,
    resume: async () => undefined,
    async gain(some: readonly LaneRow[], _worker: string, unclean: ReadonlySet<number>) {
      did.push(`gain ${numbers(some)}${unclean.size > 0 ? `, unclean ${[...unclean]}` : ''}`)
      answers.owned.push(...some.map(({ lane }) => lane))
    },
    async drain(some: readonly ReturnType<typeof laneOf>[]) {
      await answers.drained
      return some
    },
    async loseAll() {
      did.push('lose all')
      answers.owned = []
      await answers.lost
    },
  }
  const store = {
    enter: () => {
      did.push('enter')
      return answers.enter()
    },
    renew: () => answers.renew(),
    survey: async () => ({
      breakers: [],
      lanes: answers.rows,
      workers: [{ id: 'me', name: 'me', backends: ['main'], leaseLeft: LENGTH }, ...others],
    }),
    async claim(_id: string, some: readonly LaneRow[]) {
      did.push(`claim ${numbers(some)}`)
      return some.map((each) => ({ ...each, owner: 'me' }))
    },
    release: async (_id: string, some: readonly LaneRow[]) => void did.push(`release ${numbers(some)}`),
    leave: async (id: string) => void did.push(`leave ${id}`),
  }
  const others: object[] = []
  const lease = new Lease(LENGTH)
  const nothing = (): void => undefined
  const options = {
    store,
    lease,
    pulse: { beat: nothing, rest: nothing },
    cycles: [{ name: 'main', lanes, dispatch: () => did.push('dispatch'), observeBreaker: nothing, isProbing: false }],
    signals: { emit: nothing },
    worker: 'me',
    transient: false,
    isQuiet: () => false,
    idleInterval: 1_000,
    onAnswered: nothing,
    onError: nothing,
  }
  const keeper = new LaneKeeper(options as unknown as LaneKeeperOptions)
  return { keeper, lease, answers, others, said: () => did.splice(0) }
}

test('it takes the lanes that are free, those of a worker that died as unclean, and hands all back', async () => {
  const { keeper, said } = keeping([row(0, null), row(1, 'dead')])
  await keeper.start()
  assert.deepEqual(said(), ['enter', 'claim 0 1', 'gain 0 1, unclean 1'])
  await keeper.leave()
  assert.deepEqual(said(), ['leave me'])
})

test('lanes that are ours in the store, and that nobody reads, are claimed again', async () => {
  const { keeper, answers, said } = keeping([row(0, null)])
  await keeper.start()
  said()
  answers.rows = [row(0, 'me')]
  answers.owned = []
  await keeper.tick()
  assert.deepEqual(said(), ['dispatch', 'claim 0', 'gain 0, unclean 0'])
})

test('lanes over the fair share are given back once what is in flight there has ended', async () => {
  const { keeper, answers, others, said } = keeping([row(0, null), row(1, null)])
  await keeper.start()
  said()
  const sending = Promise.withResolvers<void>()
  answers.drained = sending.promise
  answers.rows = [row(0, 'me'), row(1, 'me')]
  others.push({ id: 'other', name: 'other', backends: ['main'], leaseLeft: LENGTH })
  await keeper.tick()
  await turn()
  assert.deepEqual(said(), ['dispatch'])
  sending.resolve()
  await turn()
  assert.deepEqual(said(), ['release 1'])
})

test('a lease that is refused is lost, and the lanes with it; it enters anew once their sends have ended', async () => {
  const { keeper, lease, answers, said } = keeping([row(0, null)])
  await keeper.start()
  said()
  const sending = Promise.withResolvers<void>()
  answers.lost = sending.promise
  answers.renew = async () => false
  const ticking = keeper.tick()
  await turn()
  assert.deepEqual(said(), ['lose all'])
  assert.ok(lease.left <= 0)
  sending.resolve()
  await ticking
  assert.deepEqual(said(), ['enter', 'claim 0', 'gain 0'])
})

test('a renewal that is refused does not lengthen the lease of a worker that stops', async () => {
  const { keeper, lease, answers } = keeping([row(0, null)])
  await keeper.start()
  await delay(20)
  const { left } = lease
  answers.renew = async () => false
  assert.equal(await keeper.renew(), false)
  assert.ok(lease.left <= left)
  answers.renew = async () => true
  assert.equal(await keeper.renew(), true)
  assert.ok(lease.left > left)
})

test('a store that does not answer within the lease has lost it', async () => {
  const { keeper, answers, said } = keeping([row(0, null)])
  await keeper.start()
  said()
  answers.renew = () => new Promise(() => undefined)
  await assert.rejects(keeper.tick(), { code: 'STORE_UNAVAILABLE' })
  assert.deepEqual(said(), ['lose all'])
})

test('an entry that is answered after the lanes were given up does not count', async () => {
  const { keeper, answers, said } = keeping([row(0, null)])
  const late = Promise.withResolvers<string>()
  answers.enter = () => late.promise
  const starting = keeper.start()
  await turn()
  await keeper.leave()
  late.resolve('late')
  await starting
  assert.deepEqual(said(), ['enter', 'leave late'])
  await delay(1)
})
