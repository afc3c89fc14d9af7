/** How an event leaves the hand, step by step: on a store that answers as the test says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { delivered, notDelivered } from '../../src/backend/backend.ts'
import { BroadcasterError } from '../../src/errors.ts'
import { Conclusion, type ConclusionParts } from '../../src/relay/conclusion.ts'
import type { HeldEvent } from '../../src/relay/held-event.ts'
import { InHand } from '../../src/relay/in-hand.ts'
import type { Lane } from '../../src/relay/lane.ts'
import { Lease, moment } from '../../src/relay/lease.ts'
import { judge } from '../../src/relay/outcomes.ts'
import { SendBuffer } from '../../src/relay/send-buffer.ts'
import type { Outcome, SettleReport } from '../../src/store/relay-store.ts'
import { openLanes } from './open-lanes.ts'

const POLICY = {
  retry: { base: 500, jitter: 'none' },
  onFailed: 'block',
  erasePublished: false,
  maxRetryAfter: 0,
  random: () => 0,
} as const

function concluding(answer: (outcomes: readonly Outcome[]) => Partial<SettleReport> | Error = () => ({})) {
  const settled: Outcome[] = []
  const did: string[] = []
  const inHand = new InHand()
  const buffer = new SendBuffer()
  const lane = openLanes(1, inHand).get(0) as Lane
  const lease = new Lease(60_000)
  lease.extend(moment())
  const parts = {
    options: {
      name: 'main',
      worker: 'w',
      signals: { has: () => false, emit: () => undefined },
      lease,
      onError: () => undefined,
      flow: { add: () => undefined },
      store: {
        relay: {
          async settle(_ownership: unknown, outcomes: readonly Outcome[]): Promise<SettleReport> {
            await turn()
            const given = answer(outcomes)
            if (given instanceof Error) throw given
            settled.push(...outcomes)
            return { lost: [], busy: [], ...given }
          },
        },
      },
    },
    inHand,
    buffer,
    reader: {
      rewindTo: (_lane: Lane, seq: number) => did.push(`again ${seq}`),
      dueIn: (ms: number) => did.push(`due in ${ms}`),
    },
    lanes: { has: () => true, distrust: () => did.push('distrust'), lookAgain: () => did.push('look again') },
    onDropped: ({ id }: HeldEvent) => did.push(`dropped ${id}`),
  }
  const conclusion = new Conclusion(parts as unknown as ConclusionParts)
  const take = (seq: number, key: string | null = 'k', given: Partial<HeldEvent> = {}): HeldEvent => {
    const row = { id: `e${seq}`, seq, status: 'pending', createdAt: new Date() }
    const rest = { bytes: 1, generation: 0, retryCount: 0, maxRetries: 3, marked: false, sending: false, alone: false }
    const held = {
      ...row,
      ...rest,
      key,
      lane,
      row,
      apart: false,
      destination: undefined,
      ...given,
    } as unknown as HeldEvent
    inHand.add(held)
    return held
  }
  const waiting = (...seqs: readonly number[]): void => {
    for (const seq of seqs) buffer.add(take(seq))
  }
  const kinds = (): readonly string[] => settled.splice(0).map(({ kind, id }) => `${kind} ${id}`)
  const fail = (held: HeldEvent): void => conclusion.conclude(held, judge(held, notDelivered(new Error('no')), POLICY))
  return { conclusion, inHand, buffer, lane, did, take, waiting, kinds, fail, settled }
}

test('an event that goes back takes those of its key along, and all are read again', () => {
  const { conclusion, inHand, buffer, did, take, waiting } = concluding()
  const first = take(1)
  waiting(2, 3)
  conclusion.giveBack(first)
  assert.deepEqual(
    did.filter((what) => what.startsWith('again')),
    ['again 2', 'again 3', 'again 1'],
  )
  assert.deepEqual([inHand.size, buffer.size], [0, 0])
})

test('the mark of one that goes back is taken back first, and holds its key until then', async () => {
  const { conclusion, lane, did, take, kinds } = concluding()
  conclusion.giveBack(take(1, 'k', { sending: true }))
  assert.deepEqual(did, [])
  assert.equal(lane.keys.blocker('k', 2)?.id, 'e1')
  await conclusion.idle()
  assert.deepEqual(kinds(), ['returned e1'])
  assert.deepEqual(did, ['dropped e1', 'again 1'])
})

test('those behind an event between retries are parked with it, and it is read when it is due', async () => {
  const { conclusion, lane, buffer, did, take, waiting, fail, settled, kinds } = concluding()
  const second = take(2)
  waiting(1, 3, 4)
  fail(second)
  assert.equal(lane.keys.blocker('k', 9)?.id, 'e2')
  assert.equal(buffer.size, 1, 'what is before it goes on')
  await conclusion.idle()
  assert.deepEqual(
    settled.flatMap((outcome) => (outcome.kind === 'park' ? [outcome.behind] : [])),
    ['e2', 'e2'],
  )
  assert.deepEqual(kinds().toSorted(), ['park e3', 'park e4', 'retry e2'])
  assert.ok(did.includes('due in 500'))
})

test('nothing is brought back while an event is on its way to be parked, unless the store does not take that', async () => {
  for (const isTaken of [true, false]) {
    let tries = 0
    const gate = Promise.withResolvers<void>()
    const { conclusion, inHand, lane, take } = concluding(() => {
      if (isTaken || ++tries > 1) return {}
      return new BroadcasterError('STORE_BUSY', 'locked')
    })
    conclusion.park(take(2), { id: 'e1', dueAt: null })
    let isParked = false
    void inHand.parked().then(() => {
      isParked = true
      gate.resolve()
    })
    await Promise.resolve()
    assert.equal(isParked, false)
    await gate.promise
    assert.equal(inHand.size, isTaken ? 0 : 1)
    if (!isTaken) assert.equal(lane.keys.blocker('k', 9)?.id, 'e2', 'it holds its key itself meanwhile')
    await conclusion.idle()
    assert.equal(inHand.size, 0)
  }
})

test('what was not ours to record is looked up, or read again', async () => {
  const { conclusion, did, take, fail } = concluding((outcomes) => ({ lost: outcomes.map(({ id }) => id) }))
  fail(take(1))
  conclusion.park(take(5, 'l'), { id: 'e4', dueAt: null })
  await conclusion.idle()
  assert.ok(did.includes('look again'))
  assert.ok(did.includes('again 5'))
  assert.ok(!did.includes('again 1'))
})

test('one whose outcome the store refuses is left alone, and holds its key unless it was delivered', async () => {
  for (const isDelivered of [true, false]) {
    const { conclusion, lane, inHand, take } = concluding((some) =>
      some.some(({ id }) => id === 'e1') ? new Error('invalid byte sequence') : {},
    )
    const first = take(1)
    conclusion.conclude(first, judge(first, isDelivered ? delivered : notDelivered(new Error('no')), POLICY))
    const other = take(7, 'other')
    conclusion.conclude(other, judge(other, delivered, POLICY))
    await conclusion.idle()
    assert.equal(inHand.size, 0)
    assert.equal(lane.hand.has({ id: 'e1', generation: 0 }), true)
    assert.equal(lane.keys.blocker('k', 9)?.unrecorded, isDelivered ? undefined : true)
  }
})

test('a lane waits for what is locked and was not delivered, and for nothing that was', async () => {
  for (const isDelivered of [true, false]) {
    let tries = 0
    const { conclusion, lane, take } = concluding(() => (++tries < 3 ? { busy: ['e1'] } : {}))
    const first = take(1)
    let isOver = false
    void lane.hand.empty('delivered').then(() => {
      isOver = true
    })
    conclusion.conclude(first, judge(first, isDelivered ? delivered : notDelivered(new Error('no')), POLICY))
    while (tries < 1) await turn()
    await turn()
    assert.equal(isOver, isDelivered)
    await conclusion.idle()
    assert.equal(isOver, true)
  }
})

test('one that waits for its destination, behind a head of its key, is parked behind that', async () => {
  const { conclusion, take, kinds, fail } = concluding()
  fail(take(1))
  conclusion.defer(take(2), 100, 'away')
  await conclusion.idle()
  assert.deepEqual(kinds(), ['retry e1', 'park e2'])
})
