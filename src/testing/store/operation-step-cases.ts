import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { Condition, OperationMove } from '../../store/admin-store.ts'
import type { OperationState } from '../../store/operation-store.ts'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { answerHolds, assertColumns, idsOf, insertAll, moveNow, own, read } from './steps.ts'

const CANCEL = { kind: 'cancel' } as const
const LEASE = 60_000
const ENTRY = { who: 'ops', what: 'cancel', target: '{}', reason: '' }

/** An operation that `owner` has taken, over so many events. */
async function taken(store: Store, count: number) {
  const owner = randomUUID()
  const texts = { kind: 'cancel', who: 'ops', reason: '', filter: '', conditions: '[]', params: '{}' }
  const id = await store.operations.add({ ...texts, rate: null, matched: count }, ENTRY)
  assert.equal((await store.operations.take(owner, LEASE))?.id, id)
  const ids = idsOf(await insertAll(store, ...Array.from({ length: count }, () => ({})))).toSorted()
  const step: OperationMove = {
    ...{
      id,
      owner,
      after: null,
      end: ids.at(-1) ?? '',
      leaveBusy: false,
      rate: null,
      movedBefore: 0,
      behind: 0,
      lease: LEASE,
    },
  }
  const told = async () => {
    const [found] = await store.operations.list({ id, before: null, limit: 1 })
    return [found?.moved, found?.leftAlone, found?.position]
  }
  return { id, owner, ids, step, told }
}

/** Moves that are checked again when they are made, and steps of operations. */
export const operationStepCases: readonly StoreCase[] = [
  it('move: leaves alone what does not meet the conditions as it is now', async ({ store }) => {
    const rows = await insertAll(store, { eventType: 'a' }, { eventType: 'a' }, { eventType: 'b' })
    const [one = '', moved = '', other = ''] = idsOf(rows)
    await moveNow(store, [moved], CANCEL)
    const where: readonly Condition[] = [
      { column: 'eventType', op: 'eq', value: 'a' },
      { column: 'status', op: 'in', values: ['pending', 'failed'] },
      { column: 'createdAt', op: 'lte', value: rows[0].createdAt },
      { op: 'any', groups: [[{ column: 'id', op: 'in', values: idsOf(rows) }], []] },
      { column: 'source', op: 'icontains', value: '' },
    ]
    const before = await Promise.all([moved, other].map((id) => read(store, id)))
    for (const move of [{ kind: 'delete', published: true }, CANCEL] as const) {
      const wrong = [...where, { column: 'retryCount', op: 'gt', value: 0 } as const]
      assert.deepEqual(await store.admin.move([one, moved, other], move, [], { where: wrong }), { moved: [], busy: [] })
    }
    assert.deepEqual(await store.admin.move([one, moved, other], CANCEL, [], { where }), { moved: [one], busy: [] })
    assert.deepEqual(await Promise.all([moved, other].map((id) => read(store, id))), before)
  }),
  it('move: what does not meet the conditions is not busy either', async ({ store }) => {
    await own(store)
    const [one = '', other = ''] = idsOf(await insertAll(store, { eventType: 'a' }, { eventType: 'b' }))
    const where = [{ column: 'eventType', op: 'eq', value: 'a' }] as const
    assert.deepEqual(await store.admin.move([one, other], CANCEL, [], { where }), { moved: [], busy: [one] })
    const holds = await store.admin.hold([one, other], LEASE)
    await answerHolds(store, holds)
    assert.deepEqual(await store.admin.move([one, other], CANCEL, holds, { where }), { moved: [one], busy: [] })
  }),
  it('operation: a step writes down what it moved and how far it came, once', async ({ store }) => {
    const { ids, step, told } = await taken(store, 4)
    const [first = '', second = '', third = '', fourth = ''] = ids
    await moveNow(store, [second], CANCEL)
    const half = { ...step, end: third }
    const report = await store.admin.move([first, second, third], CANCEL, [], { step: half })
    assert.deepEqual([report.moved.toSorted(), report.busy, report.passed], [[first, third], [], 3])
    assert.deepEqual(await told(), [2, 1, third])
    // The step is repeated, as by a process that never got the answer; what it moved could be moved again.
    await moveNow(store, [first, third], { kind: 'requeue' })
    const again = await store.admin.move([first, second, third], CANCEL, [], { step: half })
    assert.deepEqual([again.moved, again.busy, again.passed], [[], [], undefined])
    assert.deepEqual(await told(), [2, 1, third])
    assertColumns(await read(store, first), { status: 'pending' })
    const last = { ...step, after: third, end: fourth }
    assert.deepEqual((await store.admin.move([fourth], CANCEL, [], { step: last })).moved, [fourth])
    assert.deepEqual(await told(), [3, 1, fourth])
  }),
  it('operation: a step is made by its owner, and while it is running only', async ({ store }) => {
    const { id, ids, step, told } = await taken(store, 2)
    const none = { moved: [], busy: [] }
    const tried = async (with_: Partial<OperationMove>) => {
      const { passed, ...report } = await store.admin.move(ids, CANCEL, [], { step: { ...step, ...with_ } })
      assert.equal(passed, undefined)
      return report
    }
    assert.deepEqual(await tried({ owner: randomUUID() }), none)
    assert.deepEqual(await tried({ after: ids[0] ?? '' }), none)
    assert.deepEqual(await tried({ id: id + 1 }), none)
    const states: readonly (readonly [OperationState, OperationState])[] = [
      ['running', 'paused'],
      ['paused', 'cancelled'],
    ]
    for (const [from, to] of states) {
      assert.equal(await store.operations.change(id, [from], to), true)
      assert.deepEqual(await tried({}), none, to)
    }
    assert.deepEqual(await told(), [0, 0, null])
    for (const each of ids) assertColumns(await read(store, each), { status: 'pending', generation: 0 })
  }),
  it('operation: a step deals with what is before the first busy event, and leaves the busy alone when told', async ({
    store,
  }) => {
    const { ids, step, told } = await taken(store, 4)
    const [first = '', second = '', third = '', fourth = ''] = ids
    await moveNow(store, [first, third], CANCEL)
    await own(store)
    const requeue = { kind: 'requeue' } as const
    const mixed = await store.admin.move(ids, CANCEL, [], { step })
    assert.deepEqual([mixed.moved, mixed.busy.toSorted(), mixed.passed], [[], [second, fourth], 1])
    assert.deepEqual(await told(), [0, 1, first])
    const rest = { ...step, after: first }
    const held = await store.admin.move([second, third, fourth], CANCEL, [], { step: rest })
    assert.deepEqual([held.moved, held.passed], [[], 0])
    assert.deepEqual(await told(), [0, 1, first], 'nothing was dealt with')
    // Its status allows the move, but nothing after the busy event is moved.
    const left = await store.admin.move([second, third, fourth], CANCEL, [], { step: { ...rest, leaveBusy: true } })
    assert.deepEqual([left.moved, left.busy.toSorted(), left.passed], [[], [second, fourth], 3])
    assert.deepEqual(await told(), [0, 4, fourth])
    assert.equal((await moveNow(store, [third], requeue)).length, 1)
  }),
  it('operation: the entry in the audit tells how it ended, with what was counted', async ({ store }) => {
    for (const [state, outcome] of [
      ['done', 'done'],
      ['cancelled', 'stopped'],
    ] as const) {
      const { id, ids, step } = await taken(store, 2)
      const [first = '', second = ''] = ids
      await moveNow(store, [first], CANCEL)
      await store.admin.move([first, second], CANCEL, [], { step })
      const entry = async () => (await store.audit.list({ operation: id, before: null, limit: 10 }))[0]
      await store.operations.change(id, ['running'], 'paused')
      assertColumns(await entry(), { outcome: 'running', endedAt: null, counts: '{}' })
      await store.operations.change(id, ['paused'], state)
      const ended = await entry()
      assertColumns(ended, { outcome, error: null })
      assert.ok(ended?.endedAt)
      assert.deepEqual(JSON.parse(ended.counts), { moved: 1, leftAlone: 1 })
    }
  }),
]
