import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Broadcaster, type OutboxEvent } from 'ts-broadcaster'
import { memoryBackend, memoryStore } from 'ts-broadcaster/memory'
import { type EventFilter, readFilter } from '../../src/admin/filter-language/read-filter.ts'
import { suggestFor } from '../../src/admin/filter-language/suggest.ts'
import { readTerms } from '../../src/admin/filter-language/terms.ts'

const NOW = new Date('2026-06-15T12:00:00.000Z')
const CONTEXT = { now: NOW, hashOf: (key: string) => Buffer.from(key.padEnd(8, '.').slice(0, 8)).toString('hex') }

function filter(text: string): EventFilter {
  const read = readFilter(text, CONTEXT)
  assert.ok(!('message' in read), `${text}: ${JSON.stringify(read)}`)
  return read
}

describe('mistakes point at their characters and tell the cure', () => {
  for (const [text, marked, says] of [
    ['stauts:failed', 'stauts:', /there is no field stauts; did you mean "status"\?.*put it in quotes/],
    ['type:a status:faild', 'faild', /"faild" is not one of them; did you mean "failed"\?/],
    ['is:open', 'open', /is not one of them.*blocked, due, scheduled/],
    ['https://x.example', 'https:', /there is no field https.*in quotes/],
    ['error:"abc', '"abc', /this quote has no end; write a "/],
    ['error:"a"b', 'b', /a space is missing after the quote/],
    ['error:a"b"', '"', /a quote stands within a word/],
    ['type:', '', /a value is missing here/],
    ['type:a,,b', ',', /a value is missing before the comma/],
    ['created:1h', '1h', /does not say whether less or more; write <1h or >2d/],
    ['created:<-1h', '<-1h', /is an age, which is never negative/],
    ['created:>yesterday', '>yesterday', /is not a time; write/],
    ['created:2026-02-31', '2026-02-31', /is not a time/],
    ['created:2026-01-31T12:00Z', '2026-01-31T12:00Z', /does not say whether before or after/],
    ['created:<9999999w', '<9999999w', /is further away than dates go/],
    ['type:>a', '>a', /type is not compared by size/],
    ['retries:many', 'many', /is not a whole number; write one, such as 3 or >2/],
    ['id:42', '42', /is not the id of a row.*write event:/],
    ['code:a-b', 'a-b', /is not a code/],
    ['status.x:failed', 'status.x:', /status has no parts; write status:/],
    ['ext:a', 'ext', /name the extension/],
    ['data:>5', '>5', /name a value: data\.total:>100/],
    ['a \0', '\0', /U\+0000/],
    ['""', '""', /there is nothing to look for/],
    ['x'.repeat(2_001), 'x', /at most 2000 characters/],
    ['x '.repeat(51).trim(), 'x', /at most 50 terms/],
  ] as const) {
    test(text.slice(0, 40), () => {
      const read = readFilter(text, CONTEXT)
      assert.ok('message' in read, 'it is taken')
      assert.match(read.message, says)
      assert.equal(text.slice(read.at, read.end).trim(), marked.trim())
    })
  }
})

test('whatever is written, it is read or a mistake lies within it', () => {
  const pieces = fc.constantFrom(
    'status',
    'type',
    'data',
    'key',
    ':',
    '"',
    ',',
    '-',
    '>',
    '<=',
    ' ',
    '*',
    '.a',
    '[0]',
    '\\',
    '1h',
    'x',
    '#',
    '\0',
    'é',
    '::',
  )
  const texts = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 60 }),
    fc.array(pieces, { maxLength: 30 }).map((all) => all.join('')),
  )
  fc.assert(
    fc.property(texts, (text) => {
      const read = readFilter(text, CONTEXT)
      if (!('message' in read)) return
      assert.ok(
        read.at >= 0 && read.at <= read.end && read.end <= Math.max(text.length, read.at + 1),
        JSON.stringify(read),
      )
      assert.ok(read.message.length > 10)
    }),
    { numRuns: 2_000 },
  )
})

test('terms stand where they are said to stand', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.constantFrom('status:failed', '-type:"a b"', 'key:1,"2,3",4', 'data.a[0].b:>=5', 'word', '"two words"'),
        { maxLength: 8 },
      ),
      (all) => {
        const text = all.join('  ')
        const terms = readTerms(text)
        assert.ok(Array.isArray(terms))
        assert.deepEqual(
          terms.map(({ at, end }) => text.slice(at, end)),
          all,
        )
      },
    ),
  )
})

describe('what an index answers, and what may stand in an address', () => {
  for (const [text, isIndexed, isPrivate] of [
    ['', true, false],
    ['status:failed', true, false],
    ['status:pending,retry type:order.*', true, false],
    ['status:failed,published', false, false],
    ['-status:published', false, false],
    ['is:blocked', true, false],
    ['type:order.*', false, false],
    ['id:0198c2a0-7c1e-7000-8000-000000000000 data.a:1', true, true],
    ['status:failed data.a:1', false, true],
    ['key:42', false, true],
    ['error:timeout', false, true],
    ['anna@example.com', false, true],
    ['created:<1h', false, false],
  ] as const) {
    test(text || '(nothing)', () => {
      const read = filter(text)
      assert.deepEqual([read.isIndexed, read.isPrivate], [isIndexed, isPrivate])
    })
  }
})

const DATA =
  '{"total":150,"big":12345678901234567891,"name":"Änna","ok":true,"none":null,"items":[{"sku":"a-1"},{"sku":"b"}],"tags":["x","y"]}'

describe('values of the data', () => {
  for (const [text, fits] of [
    ['data.total:150', true],
    ['data.total:>100', true],
    ['data.total:>=150', true],
    ['data.total:<150', false],
    ['data.total:1*', false],
    ['data.big:12345678901234567891', true],
    ['data.big:12345678901234567890', false],
    ['data.big:>12345678901234567890', true],
    ['data.big:<12345678901234567892', true],
    ['data.name:Änna', true],
    ['data.name:Ä*a', true],
    ['data.name:"Ä*a"', false],
    ['data.ok:true', true],
    ['data.ok:"true"', false],
    ['data.none:null', true],
    ['data.none:*', true],
    ['data.gone:*', false],
    ['-data.gone:*', true],
    ['data.items[0].sku:a-*', true],
    ['data.items[1].sku:b', true],
    ['data.items[2].sku:b', false],
    ['data.items:*', true],
    ['data.tags:y', true],
    ['data.tags:z,y', true],
    ['data.constructor:*', false],
    ['data.__proto__:*', false],
    ['data:änna', true],
    ['data:nobody', false],
  ] as const) {
    test(text, () => {
      const event = {} as OutboxEvent
      assert.equal(
        filter(text).tests.every((one) => one(event, () => DATA)),
        fits,
      )
    })
  }
  test('data that is no JSON has no values, and its text is found', () => {
    const at = (text: string) => filter(text).tests.every((one) => one({} as OutboxEvent, () => '<html>{'))
    assert.equal(at('data.a:*'), false)
    assert.equal(at('data:html'), true)
  })
})

test('a store and a test of the record give the same answer, for each field', async (t) => {
  const store = memoryStore()
  const broadcaster = new Broadcaster({
    store,
    backends: { default: memoryBackend(), b: memoryBackend() },
    logger: false,
  })
  t.after(() => broadcaster.close())
  for (let n = 0; n < 40; n++) {
    await broadcaster.events.create(
      {
        type: ['order.created', 'order.line.added', 'user.*', 'ORDER.created'][n % 4] ?? '',
        source: n % 3 === 0 ? '/shop' : '/shop/eu',
        subject: n % 2 === 0 ? 'a "b"' : '',
        ...(n % 5 === 0 ? {} : { partitionKey: `key-${n % 4}` }),
        ...(n % 7 === 0 ? { id: `own-${n}` } : {}),
        data: { n },
      },
      { backend: n % 2 ? 'default' : 'b', ...(n % 6 === 0 ? { scheduledAt: new Date(Date.now() + 7_200_000) } : {}) },
    )
  }
  const all = await broadcaster.events.all()
  for (const [n, event] of all.entries()) {
    if (n % 8 === 1) await event.markAsFailed(`timed out after ${n} ms [ETIMEDOUT]`)
    if (n % 8 === 3) await event.markAsPublished()
    if (n % 8 === 5) await event.incrementRetry('connect "10.0.0.1" refused [ECONNREFUSED]')
  }
  const events = await broadcaster.events.filter().orderBy('id').all()
  const [some] = events
  const context = {
    now: new Date(),
    hashOf: CONTEXT.hashOf,
    keyOf: (hash: string) => ['key-0', 'key-1'].find((key) => CONTEXT.hashOf(key) === hash),
  }
  const values: Readonly<Record<string, readonly string[]>> = {
    status: ['failed', 'PENDING', 'published,retry', 'cancelled'],
    is: ['blocked', 'due', 'scheduled', 'blocked,scheduled'],
    type: ['order.*', 'order.created', '"user.*"', 'user.*', '*.created', '*line*', 'o*r*d', '*', 'order.*,user.*'],
    source: ['/shop', '/shop*', '"/shop/eu"'],
    subject: ['""', '"a \\"b\\""', 'a*'],
    backend: ['default', 'b', 'default,b', 'none'],
    key: ['key-1', 'key-*', `#${CONTEXT.hashOf('key-1')}`, `#${CONTEXT.hashOf('key-3')}`, '*'],
    id: [some?.id ?? '', `${some?.id},${events[3]?.id}`],
    event: ['own-0', 'own-7', some?.id ?? '', events[2]?.id ?? ''],
    error: ['"timed OUT"', '""', 'after', '10.0.0.1'],
    code: ['ETIMEDOUT', 'econnrefused'],
    created: ['<1h', '>1h', '<=1d', '2020-01-01', '>2020-01-01', '<2020-01-01T00:00Z'],
    updated: ['<1h'],
    published: ['<1h', '>1h'],
    due: ['<1h', '>1h', '<-5m', '>-5m'],
    retries: ['0', '>0', '<=1'],
    lane: ['3', '>30'],
  }
  let found = 0
  for (const [field, list] of Object.entries(values)) {
    for (const value of list) {
      for (const text of [`${field}:${value}`, `-${field}:${value}`]) {
        const read = readFilter(text, context)
        assert.ok(!('message' in read), `${text}: ${JSON.stringify(read)}`)
        const rows = await broadcaster.events.filter().where(read.where).orderBy('id').all()
        const byStore = rows.filter((event) => read.tests.every((one) => one(event, () => null))).map(({ id }) => id)
        // The same by looking at each record: the opposite of the opposite.
        const opposite = readFilter(text.startsWith('-') ? text : `-${text}`, context)
        assert.ok(!('message' in opposite) && opposite.where.length === 0)
        const wanted = text.startsWith('-')
        const byTest = events.filter((event) => opposite.tests.every((one) => one(event, () => null)) === wanted)
        assert.deepEqual(
          byStore,
          byTest.map(({ id }) => id),
          text,
        )
        if (byStore.length > 0 && byStore.length < events.length) found++
      }
    }
  }
  assert.ok(found > 60, `${found} of the filters told events apart`)
})

describe('what a time means, at 12:00 of the 15th of June', () => {
  for (const [text, column, op, at] of [
    ['created:<1h', 'createdAt', 'gt', '2026-06-15T11:00:00.000Z'],
    ['created:>1h', 'createdAt', 'lt', '2026-06-15T11:00:00.000Z'],
    ['created:<=2d', 'createdAt', 'gte', '2026-06-13T12:00:00.000Z'],
    ['published:>=30s', 'publishedAt', 'lte', '2026-06-15T11:59:30.000Z'],
    ['due:>2h', 'scheduledAt', 'gt', '2026-06-15T14:00:00.000Z'],
    ['due:<2h', 'scheduledAt', 'lt', '2026-06-15T14:00:00.000Z'],
    ['due:<-5m', 'scheduledAt', 'lt', '2026-06-15T11:55:00.000Z'],
    ['created:>2026-01-31', 'createdAt', 'gt', '2026-01-31T00:00:00.000Z'],
    ['created:<2026-01-31T12:00+02:00', 'createdAt', 'lt', '2026-01-31T10:00:00.000Z'],
  ] as const) {
    test(text, () => {
      assert.deepEqual(filter(text).where, [{ column, op, value: new Date(at) }])
    })
  }
})

describe('suggestions', () => {
  const known = { backend: ['default', 'partners'], type: ['order.created', 'order.*', 'user.signed up'] }
  for (const [text, at, first] of [
    ['', 0, 'status:'],
    ['sta', 3, 'status:'],
    ['-cr', 3, '-created:'],
    ['dat', 3, 'data.'],
    ['status:', 7, 'status:pending'],
    ['status:fa', 9, 'status:failed'],
    ['status:failed,re', 16, 'status:failed,retry'],
    ['backend:p type:x', 9, 'backend:partners'],
    ['type:ord', 8, 'type:order.created'],
    ['type:user', 9, 'type:"user.signed up"'],
    ['created:', 8, 'created:<15m'],
    ['error:"sta', 10, undefined],
    ['constructor:', 12, undefined],
  ] as const) {
    test(`${text}|`, () => {
      const [one] = suggestFor(text, at, known)
      assert.equal(one?.text, first)
      if (one === undefined) return
      const written = text.slice(0, one.from) + one.text + text.slice(one.to)
      if (!/[:.]$/.test(one.text)) filter(written)
    })
  }
})
