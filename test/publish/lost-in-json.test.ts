import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { BroadcasterError } from '../../src/errors.ts'
import type { StandardSchema } from '../../src/event/standard-schema.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'

const backend = memoryBackend()
const anything: StandardSchema<unknown, unknown> = {
  '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) },
}
const plain = new Broadcaster({ store: memoryStore(), backends: { default: backend } })
const typed = new Broadcaster({ store: memoryStore(), backends: { default: backend }, events: { t: anything } })

async function publish(data: unknown, broadcaster: Pick<Broadcaster, 'events'> = plain): Promise<unknown> {
  return broadcaster.events.create({ type: 't', source: '/s', data }).catch((error: unknown) => error)
}

const LOST: readonly (readonly [what: string, data: unknown, field: string, says: RegExp])[] = [
  ['NaN', { total: Number.NaN }, 'data.total', /is NaN, which JSON writes as null/],
  ['Infinity, deep', { lines: [{ price: 1 }, { price: -Infinity }] }, 'data.lines[1].price', /is -Infinity/],
  ['the data itself', Number.NaN, 'data', /is NaN/],
  ['an invalid Date', { 'due at': new Date('no') }, 'data["due at"]', /an invalid Date/],
  ['a Map', { stock: new Map([['a', 1]]) }, 'data.stock', /is a Map, .*Object\.fromEntries/],
  ['a Set', [new Set([1])], 'data[0]', /is a Set/],
  ['an Error', { why: new TypeError('no') }, 'data.why', /is an Error/],
  ['a Promise', { user: Promise.resolve(1) }, 'data.user', /is a Promise, .*await it/],
  ['a RegExp', { test: /a/ }, 'data.test', /is a RegExp/],
  ['a Blob', { file: new Blob(['x']) }, 'data.file', /is a Blob, .*give what is in it/],
  ['a WeakMap', [new WeakMap()], 'data[0]', /is a WeakMap/],
  ['an iterator', { ids: [1].values() }, 'data.ids', /is a Array Iterator/],
  ['URLSearchParams', { query: new URLSearchParams('a=1') }, 'data.query', /is a URLSearchParams/],
]
for (const [what, data, field, says] of LOST) {
  test(`${what} would be lost in JSON, and is refused by its name`, async () => {
    for (const broadcaster of [plain, typed]) {
      const error = await publish(data, broadcaster as Pick<Broadcaster, 'events'>)
      assert.ok(error instanceof BroadcasterError, String(error))
      assert.equal(error.code, 'INVALID_DATA')
      assert.equal(error.field, field)
      assert.match(error.message, says)
    }
  })
}

test('what JSON can hold, and what writes itself, is taken', async () => {
  class Money {
    readonly cents = Number.NaN
    toJSON(): string {
      return 'none'
    }
  }
  const shared = { a: null }
  const all = {
    none: null,
    left: undefined,
    empty: {},
    list: [undefined, null, [], {}],
    date: new Date(0),
    big: 2n ** 70n,
    money: new Money(),
    twice: [shared, shared],
    text: 'null {}',
  }
  const stored = await publish(all)
  assert.ok(!(stored instanceof Error), String(stored))
})

test('data of many levels is looked through without exhausting the stack', async () => {
  let deep: unknown = { last: Number.NaN }
  for (let n = 0; n < 2_000; n++) deep = [deep]
  const error = await publish(deep)
  assert.ok(error instanceof BroadcasterError && error.code === 'INVALID_DATA', String(error))
})
