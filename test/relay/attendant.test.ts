/** What a worker does about lanes that others have touched, by one survey after another. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Attendant, type AttendantParts } from '../../src/relay/attendant.ts'
import type { LaneRow, Survey } from '../../src/store/coordination-store.ts'

const row = (given: Partial<LaneRow> = {}): LaneRow =>
  ({
    backend: 'main',
    lane: 0,
    owner: 'me',
    fence: 1,
    attention: 0,
    hold: 0,
    holdLeft: null,
    quietFor: 0,
    ...given,
  }) as LaneRow

function attending() {
  const did: string[] = []
  const lane = { number: 0, isKept: true, answer: undefined, answeredUnder: undefined, isDistrusted: false, row: row() }
  const state = { quiet: async () => [row({ fence: 2 })] as readonly LaneRow[] }
  const say =
    (what: string) =>
    async (some: readonly unknown[]): Promise<void> => {
      if (some.length > 0) did.push(what)
    }
  const lanes = {
    get: () => lane,
    hush: async (some: readonly unknown[], but: string) => {
      did.push(`hush but ${but}`)
      return some
    },
    refence: (_lane: unknown, fence: number) => did.push(`fence ${fence}`),
    lose: say('lose'),
    reconcile: say('reconcile'),
    touch: say('reconcile'),
    resume: say('resume'),
    distrust: () => did.push('distrust'),
  }
  const store = {
    quiet: (_id: string, rows: readonly LaneRow[]) => {
      did.push(`quiet ${rows.map(({ hold }) => hold)}`)
      return state.quiet()
    },
  }
  const onError = (error: unknown): void => void did.push(String(error))
  const attendant = new Attendant({
    store,
    cycles: new Map([['main', { lanes }]]),
    onError,
  } as unknown as AttendantParts)
  return {
    lane,
    state,
    attendant,
    async see(given: Partial<LaneRow>) {
      attendant.attend({ lanes: [row(given)] } as unknown as Survey, 'me')
      for (let n = 0; n < 3; n++) await turn()
      return did.splice(0)
    },
  }
}

test('what an operator touched is read afresh, and a lane of another owner, or with another fence, is let go', async () => {
  const { see } = attending()
  assert.deepEqual(await see({}), [])
  assert.deepEqual(await see({ attention: 1 }), ['reconcile'])
  assert.deepEqual(await see({ attention: 1 }), [])
  assert.deepEqual(await see({ owner: 'other' }), ['lose'])
  assert.deepEqual(await see({ fence: 2 }), ['lose'])
})

test('a hold is answered once nothing at all is in hand, and the lane is read on when it ends', async () => {
  const { see, state, attendant } = attending()
  assert.equal(attendant.isBusy, false)
  state.quiet = async () => [row({ fence: 2, hold: 5, holdLeft: 900, quietFor: 5 })]
  assert.deepEqual(await see({ hold: 5, holdLeft: 1_000 }), ['hush but nothing', 'quiet 5', 'fence 2'])
  assert.equal(attendant.isBusy, true)
  assert.deepEqual(await see({ fence: 2, hold: 5, holdLeft: 800, quietFor: 5 }), [], 'answered already')
  assert.deepEqual(await see({ fence: 2, hold: 5, quietFor: 5 }), ['resume'])
})

test('a lane that is distrusted gets a new fence, and waits for nothing that was delivered', async () => {
  const { see, lane } = attending()
  lane.isDistrusted = true
  assert.deepEqual(await see({ hold: 5 }), ['hush but delivered', 'quiet 0', 'fence 2', 'resume'])
})

test('an answer that the store may have taken is known by the fence', async () => {
  const { see, state } = attending()
  state.quiet = async () => {
    throw new Error('no answer')
  }
  assert.deepEqual(await see({ hold: 5, holdLeft: 1_000 }), [
    'hush but nothing',
    'quiet 5',
    'distrust',
    'Error: no answer',
  ])
  assert.deepEqual(await see({ fence: 2, hold: 5, quietFor: 5 }), ['fence 2', 'resume'])
})
