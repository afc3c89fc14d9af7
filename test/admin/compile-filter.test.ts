import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { compileFilter } from '../../src/admin/compile-filter.ts'
import { negate } from '../../src/admin/negate.ts'
import type { RecordFilter } from '../../src/record/record-source.ts'
import type { Condition } from '../../src/store/admin-store.ts'

const ID = '0193d2a0-0000-7000-8000-0000000000ff'
const day = new Date('2026-01-31T00:00:00Z')
const isNull: Condition = { column: 'partitionKey', op: 'isNull', value: true }
const notNull: Condition = { column: 'partitionKey', op: 'isNull', value: false }

describe('compileFilter', () => {
  const table: readonly (readonly [string, RecordFilter, readonly Condition[]])[] = [
    ['nothing', {}, []],
    ['a value', { status: 'failed' }, [{ column: 'status', op: 'eq', value: 'failed' }]],
    ['a list', { status: ['failed', 'retry'] }, [{ column: 'status', op: 'in', values: ['failed', 'retry'] }]],
    ['no list', { eventType: [] }, [{ column: 'eventType', op: 'in', values: [] }]],
    ['a date', { createdAt: day }, [{ column: 'createdAt', op: 'eq', value: day }]],
    [
      'a range',
      { createdAt: { gte: day, lt: day } },
      [
        { column: 'createdAt', op: 'gte', value: day },
        { column: 'createdAt', op: 'lt', value: day },
      ],
    ],
    ['text', { source: { icontains: '%' } }, [{ column: 'source', op: 'icontains', value: '%' }]],
    ['an id in any form', { id: ID.toUpperCase().replaceAll('-', '') }, [{ column: 'id', op: 'eq', value: ID }]],
    ['null', { partitionKey: null }, [isNull]],
    ['not null', { partitionKey: { ne: null } }, [notNull]],
    ['is null', { partitionKey: { isNull: false } }, [notNull]],
    [
      'not a value: null is none',
      { partitionKey: { ne: 'a' } },
      [{ op: 'any', groups: [[{ column: 'partitionKey', op: 'ne', value: 'a' }], [isNull]] }],
    ],
    [
      'not a value of a column that is never null',
      { subject: { ne: 'a' } },
      [{ column: 'subject', op: 'ne', value: 'a' }],
    ],
    [
      'a list with null',
      { partitionKey: ['a', null] },
      [{ op: 'any', groups: [[{ column: 'partitionKey', op: 'in', values: ['a'] }], [isNull]] }],
    ],
    [
      'none of a list with null',
      { partitionKey: { notIn: ['a', 'b', null] } },
      [{ op: 'any', groups: [[{ column: 'partitionKey', op: 'notIn', values: ['a', 'b'] }, notNull]] }],
    ],
    ['none of nothing', { subject: { notIn: [] } }, [{ op: 'any', groups: [[]] }]],
    ['null where there is none', { subject: { isNull: true } }, [{ op: 'any', groups: [] }]],
  ]
  for (const [name, filter, conditions] of table) {
    test(name, () => assert.deepEqual(compileFilter(filter), conditions))
  }

  const wrong: readonly (readonly [string, unknown, string, RegExp])[] = [
    [
      'the word of publish for a backend',
      { backend: 'x' },
      'backend',
      /column; did you mean "publisherBackend"\?; columns: id,/,
    ],
    ['the word of publish for a type', { type: 'x' }, 'type', /is not a column; did you mean "eventType"\?/],
    ['the word of publish for a key, in capitals', { KEY: 'x' }, 'KEY', /did you mean "partitionKey"\?/],
    ['the word of CloudEvents for a time', { time: 'x' }, 'time', /did you mean "eventTime"\?/],
    ['what others call it', { content_type: 'x' }, 'content_type', /did you mean "dataContentType"\?/],
    ['an unknown column', { evnetType: 'x' }, 'evnetType', /is not a column; did you mean "eventType"\?/],
    ["a column by Django's name", { event_type: 'x' }, 'event_type', /did you mean "eventType"/],
    ['a column of JSON', { data: {} }, 'data', /holds JSON or bytes/],
    ['an unknown comparison', { eventType: { startswith: 'x' } }, 'eventType.startswith', /did you mean "startsWith"/],
    ['a status that is none', { status: 'faild' }, 'status', /give one of pending, processing/],
    ['a status in a list', { status: ['faild'] }, 'status.in', /contains "faild"/],
    ['an id that is none', { id: 'x' }, 'id', /give a UUID/],
    ['a date as text', { createdAt: '2026-01-31' }, 'createdAt', /give a Date/],
    ['a date that is none', { createdAt: { lt: new Date(Number.NaN) } }, 'createdAt.lt', /give a Date/],
    ['a number as text', { retryCount: '1' }, 'retryCount', /give a whole number/],
    ['a date beyond every database', { createdAt: { gt: new Date(8.64e15) } }, 'createdAt.gt', /years 1 to 9999/],
    ['a date before every database', { createdAt: new Date(-8.64e15) }, 'createdAt', /years 1 to 9999/],
    ['a NUL', { source: 'a\0b' }, 'source', /contains U\+0000/],
    ['a NUL in a part', { source: { icontains: '\0' } }, 'source.icontains', /contains U\+0000/],
    ['a NUL in a list', { partitionKey: ['a', 'b\0'] }, 'partitionKey.in', /contains U\+0000/],
    ['less than null', { publishedAt: { lt: null } }, 'publishedAt.lt', /give a Date/],
    ['text in a number', { retryCount: { contains: '1' } }, 'retryCount.contains', /compares texts/],
    ['a list that is none', { status: { in: 'failed' } }, 'status.in', /give a list/],
    ['null or not', { partitionKey: { isNull: 1 } }, 'partitionKey.isNull', /true or false/],
    ['an undefined condition', { status: undefined }, 'status', /is undefined.*leave it out/],
    ['an undefined comparison', { createdAt: { lt: undefined } }, 'createdAt.lt', /is undefined.*leave it out/],
    ['an undefined list', { id: { in: undefined } }, 'id.in', /is undefined/],
    ['undefined in a list', { status: [undefined] }, 'status.in', /contains undefined/],
    [
      'one undefined beside another',
      { status: 'failed', createdAt: { gte: day, lt: undefined } },
      'createdAt.lt',
      /undefined/,
    ],
    ['no comparison', { status: {} }, 'status', /has no comparison/],
    ['a filter that is none', null, 'filter', /give an object/],
    ['a list in place of a filter', [], 'filter', /give an object/],
    ['an inherited name', { toString: 'x' }, 'toString', /is not a column/],
  ]
  for (const [name, filter, field, message] of wrong) {
    test(name, () => {
      assert.throws(() => compileFilter(filter as RecordFilter), { code: 'INVALID_OPTION', field, message })
    })
  }

  test('all mistakes in one error', () => {
    assert.throws(() => compileFilter({ a: 1, status: 'x', retryCount: { lt: 'y' } } as unknown as RecordFilter), {
      message: /- a is not[\s\S]*- status is "x"[\s\S]*- retryCount\.lt is "y"/,
    })
  })
})

test('what a store cannot turn round cannot be excluded', () => {
  assert.throws(() => negate(compileFilter({ eventType: { contains: 'x' } })), {
    code: 'INVALID_OPTION',
    field: 'eventType',
    message: /exclude cannot use contains/,
  })
})
