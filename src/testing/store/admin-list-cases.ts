import assert from 'node:assert/strict'
import type { NewOutboxEvent } from '../../record/columns.ts'
import type { Condition, Query } from '../../store/admin-store.ts'
import type { Store } from '../../store/store.ts'
import type { StoreCase } from '../store-conformance.ts'
import { it } from './fixture.ts'
import { idsOf, insert, insertOne, newEvent } from './steps.ts'

const at = (day: number) => new Date(Date.UTC(2001, 0, day, 12, 0, 0, 500))

/** Five events that differ in every column that a filter names; their subjects are a to e. */
const EVENTS: readonly Partial<NewOutboxEvent>[] = [
  { subject: 'a', eventType: 'order.created', partitionKey: 'k1', maxRetries: 1, scheduledAt: at(1) },
  { subject: 'b', eventType: 'Order.Created', partitionKey: 'k2', maxRetries: 2, scheduledAt: at(2) },
  { subject: 'c', eventType: '100%_done', partitionKey: null, maxRetries: 3, scheduledAt: at(3) },
  { subject: 'd', eventType: 'invoice.sent', partitionKey: null, maxRetries: 3, scheduledAt: at(4), eventId: 'e4' },
  { subject: 'e', eventType: '100 undone', partitionKey: 'k1', maxRetries: 5, scheduledAt: at(5) },
]

async function fill(store: Store): Promise<readonly string[]> {
  const rows = await insert(
    store,
    ...EVENTS.map((event, n) => newEvent({ ...event, id: `0193d2a0-0000-7000-8000-00000000000${n}` })),
  )
  return idsOf(rows)
}

const all: Query = { where: [], order: [], limit: null, offset: 0, columns: ['subject'] }

async function subjects(store: Store, query: Partial<Query>): Promise<string> {
  return (await store.admin.list({ ...all, ...query })).map((row) => row.subject).join('')
}

async function expectMatches(store: Store, table: readonly (readonly [Condition, string])[]): Promise<void> {
  for (const [condition, expected] of table) {
    const label = JSON.stringify(condition)
    assert.equal(await subjects(store, { where: [condition] }), expected, label)
    assert.equal(await store.admin.count([condition]), expected.length, `count ${label}`)
  }
}

/** What `broadcaster.events` asks for. */
export const adminListCases: readonly StoreCase[] = [
  it('list: comparisons of numbers, dates, text and ids', async ({ store }) => {
    const ids = await fill(store)
    await expectMatches(store, [
      [{ column: 'maxRetries', op: 'eq', value: 3 }, 'cd'],
      [{ column: 'maxRetries', op: 'ne', value: 3 }, 'abe'],
      [{ column: 'maxRetries', op: 'lt', value: 3 }, 'ab'],
      [{ column: 'maxRetries', op: 'lte', value: 3 }, 'abcd'],
      [{ column: 'maxRetries', op: 'gt', value: 3 }, 'e'],
      [{ column: 'maxRetries', op: 'gte', value: 3 }, 'cde'],
      [{ column: 'scheduledAt', op: 'eq', value: at(2) }, 'b'],
      [{ column: 'scheduledAt', op: 'lt', value: at(3) }, 'ab'],
      [{ column: 'scheduledAt', op: 'gte', value: at(3) }, 'cde'],
      [{ column: 'eventType', op: 'eq', value: 'order.created' }, 'a'],
      [{ column: 'status', op: 'eq', value: 'pending' }, 'abcde'],
      [{ column: 'status', op: 'ne', value: 'pending' }, ''],
      [{ column: 'id', op: 'eq', value: ids[1] ?? '' }, 'b'],
      [{ column: 'id', op: 'ne', value: ids[1] ?? '' }, 'acde'],
      [{ column: 'id', op: 'gt', value: ids[1] ?? '' }, 'cde'],
      [{ column: 'id', op: 'in', values: [ids[0] ?? '', ids[4] ?? ''] }, 'ae'],
      [{ column: 'id', op: 'eq', value: 'no uuid' }, ''],
      [{ column: 'id', op: 'in', values: ['no uuid', ids[0] ?? ''] }, 'a'],
      [{ column: 'id', op: 'in', values: ['no uuid'] }, ''],
      [{ column: 'id', op: 'notIn', values: ['no uuid', ids[0] ?? ''] }, 'bcde'],
    ])
  }),
  it('list: null is a value: equal to itself, different from all others, neither more nor less', async ({ store }) => {
    await fill(store)
    await expectMatches(store, [
      [{ column: 'partitionKey', op: 'isNull', value: true }, 'cd'],
      [{ column: 'partitionKey', op: 'isNull', value: false }, 'abe'],
      [{ column: 'partitionKey', op: 'eq', value: null }, 'cd'],
      [{ column: 'partitionKey', op: 'ne', value: null }, 'abe'],
      [{ column: 'partitionKey', op: 'ne', value: 'k1' }, 'bcd'],
      [{ column: 'partitionKey', op: 'gt', value: 'k0' }, 'abe'],
      [{ column: 'partitionKey', op: 'gt', value: null }, ''],
      [{ column: 'partitionKey', op: 'in', values: ['k2', null] }, 'bcd'],
      [{ column: 'partitionKey', op: 'notIn', values: ['k1'] }, 'bcd'],
      [{ column: 'partitionKey', op: 'notIn', values: ['k1', null] }, 'b'],
      [{ column: 'publishedAt', op: 'isNull', value: false }, ''],
    ])
  }),
  it('list: in and notIn, also with no values', async ({ store }) => {
    await fill(store)
    await expectMatches(store, [
      [{ column: 'maxRetries', op: 'in', values: [1, 5] }, 'ae'],
      [{ column: 'maxRetries', op: 'notIn', values: [1, 5] }, 'bcd'],
      [{ column: 'maxRetries', op: 'in', values: [] }, ''],
      [{ column: 'maxRetries', op: 'notIn', values: [] }, 'abcde'],
      [{ column: 'scheduledAt', op: 'in', values: [at(1), at(4)] }, 'ad'],
      [{ column: 'status', op: 'in', values: ['failed', 'pending'] }, 'abcde'],
    ])
  }),
  it('list: text comparisons take % and _ as they are, and case only where asked to', async ({ store }) => {
    await fill(store)
    await expectMatches(store, [
      [{ column: 'eventType', op: 'contains', value: 'rder.c' }, 'a'],
      [{ column: 'eventType', op: 'contains', value: 'Created' }, 'b'],
      [{ column: 'eventType', op: 'icontains', value: 'CREATED' }, 'ab'],
      [{ column: 'eventType', op: 'contains', value: '%_' }, 'c'],
      [{ column: 'eventType', op: 'icontains', value: '0%' }, 'c'],
      [{ column: 'eventType', op: 'contains', value: '_' }, 'c'],
      [{ column: 'eventType', op: 'startsWith', value: '100' }, 'ce'],
      [{ column: 'eventType', op: 'startsWith', value: '100%' }, 'c'],
      [{ column: 'eventType', op: 'startsWith', value: 'order' }, 'a'],
      [{ column: 'eventType', op: 'endsWith', value: 'done' }, 'ce'],
      [{ column: 'eventType', op: 'endsWith', value: '_done' }, 'c'],
      [{ column: 'eventType', op: 'iexact', value: 'ORDER.created' }, 'ab'],
      [{ column: 'eventType', op: 'iexact', value: '100%_DONE' }, 'c'],
      [{ column: 'eventType', op: 'contains', value: '\\' }, ''],
      [{ column: 'partitionKey', op: 'startsWith', value: 'k' }, 'abe'],
    ])
  }),
  it('list: several conditions must all hold, of groups any', async ({ store }) => {
    await fill(store)
    const where: Condition[] = [
      { column: 'maxRetries', op: 'gt', value: 1 },
      { column: 'partitionKey', op: 'isNull', value: false },
    ]
    assert.equal(await subjects(store, { where }), 'be')
    await expectMatches(store, [
      [{ op: 'any', groups: [where, [{ column: 'subject', op: 'eq', value: 'a' }]] }, 'abe'],
      [{ op: 'any', groups: [] }, ''],
      [{ op: 'any', groups: [[]] }, 'abcde'],
    ])
    const both: Condition[] = [...where, { op: 'any', groups: [[{ column: 'maxRetries', op: 'eq', value: 5 }]] }]
    assert.equal(await subjects(store, { where: both }), 'e')
    assert.equal(await store.admin.count(both), 1)
  }),
  it('list: order, ties by id in the direction of the last column, nulls last ascending', async ({ store }) => {
    await fill(store)
    const by = (column: 'maxRetries' | 'partitionKey' | 'scheduledAt', descending: boolean) => ({
      order: [{ column, descending }],
    })
    assert.equal(await subjects(store, {}), 'abcde')
    assert.equal(await subjects(store, { order: [{ column: 'id', descending: true }] }), 'edcba')
    assert.equal(await subjects(store, by('scheduledAt', true)), 'edcba')
    assert.equal(await subjects(store, by('maxRetries', false)), 'abcde')
    assert.equal(await subjects(store, by('maxRetries', true)), 'edcba')
    assert.equal(await subjects(store, by('partitionKey', false)), 'aebcd')
    assert.equal(await subjects(store, by('partitionKey', true)), 'dcbea')
    const two = [...by('partitionKey', false).order, ...by('scheduledAt', true).order]
    assert.equal(await subjects(store, { order: two }), 'eabdc')
  }),
  it('list: limit and offset', async ({ store }) => {
    await fill(store)
    assert.equal(await subjects(store, { limit: 2 }), 'ab')
    assert.equal(await subjects(store, { limit: 2, offset: 3 }), 'de')
    assert.equal(await subjects(store, { offset: 3 }), 'de')
    assert.equal(await subjects(store, { limit: 0 }), '')
    assert.equal(await subjects(store, { limit: 2, offset: 9 }), '')
  }),
  it('list: reads only the columns asked for', async ({ store }) => {
    await insertOne(store, { data: '{"n":7}' })
    const [row] = await store.admin.list({ ...all, columns: ['eventType', 'data', 'createdAt', 'availableAt'] })
    assert.deepEqual(Object.keys(row ?? {}).toSorted(), ['availableAt', 'createdAt', 'data', 'eventType'])
    assert.equal(row?.data, '{"n":7}')
    assert.ok(row?.createdAt instanceof Date)
    assert.equal(row?.availableAt, null)
  }),
  it('list: the neighbours of a row by a date, ties by id', async ({ store }) => {
    // One statement, one created_at: the ids decide.
    const ids = await fill(store)
    const other = await insertOne(store, { scheduledAt: at(3), subject: 'f' })
    const neighbours = (column: 'createdAt' | 'scheduledAt', op: 'after' | 'before', id: string) =>
      subjects(store, {
        where: [
          { column, op, id },
          { column: 'id', op: 'ne', value: column === 'createdAt' ? other.id : '' },
        ],
        order: [{ column, descending: op === 'before' }],
      })
    assert.equal(await neighbours('createdAt', 'after', ids[2] ?? ''), 'de')
    assert.equal(await neighbours('createdAt', 'before', ids[2] ?? ''), 'ba')
    assert.equal(await neighbours('createdAt', 'after', ids[4] ?? ''), '')
    const tie = (ids[2] ?? '') < other.id ? 'cf' : 'fc'
    assert.equal(await neighbours('scheduledAt', 'after', ids[1] ?? ''), `${tie}de`)
    assert.equal(await neighbours('scheduledAt', 'before', ids[3] ?? ''), `${tie[1]}${tie[0]}ba`)
    assert.equal(await neighbours('scheduledAt', 'after', other.id), tie === 'cf' ? 'de' : 'cde')
    assert.equal(await neighbours('scheduledAt', 'after', '0193d2a0-0000-7000-8000-0000000000ff'), '')
  }),
]
