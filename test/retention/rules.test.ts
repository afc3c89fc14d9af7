import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resolveWorkerOptions } from '../../src/relay/worker-options.ts'
import { CountedPages } from '../../src/retention/counted-pages.ts'
import type { RetentionOptions } from '../../src/retention/retention-options.ts'
import { lastPlaces, leastAges, mayGo, perStatus, type Rules, ruleFor, rulesOf } from '../../src/retention/rules.ts'
import { surplusOf } from '../../src/retention/surplus.ts'
import { type Census, placeOfSeq, type SettledEvent, seqOfPlace } from '../../src/store/retention-store.ts'

const HOUR = 3_600_000
const none = perStatus(() => null)

function rules(options: RetentionOptions): Rules {
  const { retention } = resolveWorkerOptions({ retention: options })
  assert.ok(retention)
  return rulesOf(retention)
}

function event(more: Partial<SettledEvent>): SettledEvent {
  return { id: '1', eventType: 'a', status: 'published', age: 0, place: '5', counts: true, version: '', ...more }
}

test('cancelled events go as failed ones do unless something else is said, and an entry says its own', () => {
  const ages = (options: RetentionOptions) => rules(options).map((rule) => rule.ages)
  assert.deepEqual(ages({ published: 3, failed: 2 }), [{ published: 3, failed: 2, cancelled: 2 }])
  assert.deepEqual(ages({ published: 'delete', failed: null, cancelled: 1 }), [
    { published: 0, failed: null, cancelled: 1 },
  ])
  const types = { a: {}, b: { failed: null }, c: { published: null, failed: 7, cancelled: 8 } }
  assert.deepEqual(ages({ published: 3, failed: 2, cancelled: 1, types }), [
    { published: 3, failed: 2, cancelled: 1 },
    { published: 3, failed: null, cancelled: null },
    { published: null, failed: 7, cancelled: 8 },
    { published: 3, failed: 2, cancelled: 1 },
  ])
})

test('a number is that of its entry: none is inherited', () => {
  const keeps = rules({ keep: { published: 9 }, types: { a: {}, b: { keep: { failed: 0 } } } }).map(({ keep }) => keep)
  assert.deepEqual(keeps, [none, { ...none, failed: 0 }, { ...none, published: 9 }])
})

test('a time that no database computes with is for ever', () => {
  const [rule] = rules({ published: Number.MAX_SAFE_INTEGER, failed: 50 * 365 * 24 * HOUR })
  assert.equal(rule?.ages.published, null)
  assert.equal(rule?.ages.failed, 50 * 365 * 24 * HOUR)
})

test('the first entry that matches counts, and the rest comes last', () => {
  const some = rules({ types: { 'a.b': {}, 'a.*': {}, '*.c': {} } })
  const found = ['a.b', 'a.c', 'b.c', 'b.d', 'a'].map((type) => ruleFor(some, type))
  assert.deepEqual(found, [0, 1, 2, 3, 3])
})

test('an event goes for the age of its own rule, whatever the database was asked for', () => {
  const some = rules({ published: HOUR, types: { a: { published: 2 * HOUR }, b: { published: null } } })
  assert.deepEqual(leastAges(some).published, HOUR)
  const goes = (eventType: string, age: number) => mayGo(some, [], event({ eventType, age }))
  assert.deepEqual([goes('a', 1.5 * HOUR), goes('a', 2 * HOUR), goes('b', 9 * HOUR)], [false, true, false])
  assert.deepEqual([goes('c', 0.9 * HOUR), goes('c', HOUR - 0.4)], [false, true], 'the database has more digits')
})

test('an event goes for its number up to the place of its own rule, if it counts', () => {
  const some = rules({ published: null, types: { a: { published: null } } })
  const surplus = [
    { ...none, published: '3' },
    { ...none, published: '6' },
  ]
  assert.equal(lastPlaces(surplus).published, '6')
  const goes = (more: Partial<SettledEvent>) => mayGo(some, surplus, event(more))
  assert.deepEqual([goes({}), goes({ place: '3' }), goes({ eventType: 'b' })], [false, true, true])
  assert.deepEqual(
    [goes({ eventType: 'b', counts: false }), goes({ eventType: 'b', status: 'failed' })],
    [false, false],
  )
})

for (const size of [1, 2, 7, 100, 9_999, 10_000, 10_001, 25_003]) {
  test(`a number of ${size} is exact among 40,000 of two kinds, and costs few statements`, async () => {
    const typeOf = (seq: number): string => (seq % 3 === 0 ? 'a' : 'b')
    let asked = 0
    const census = async (before: string | null, rows: number): Promise<Census> => {
      asked++
      const end = before === null ? 40_000 : Number(seqOfPlace(before))
      const seqs = Array.from({ length: Math.min(rows, end) }, (_, n) => end - 1 - n)
      const groups = seqs.map((seq) => ({ status: 'published', eventType: typeOf(seq), count: 1 }) as const)
      const last = seqs.at(-1)
      return { groups, last: last === undefined ? null : placeOfSeq(last) }
    }
    const some = rules({ keep: { published: size }, types: { a: { keep: { published: 50 } } } })
    const surplus = await surplusOf(new CountedPages({ census }).begin(true), some, async () => true)
    const kept = (rule: number, type: string): number => {
      const place = surplus[rule]?.published ?? null
      const gone = (seq: number): boolean => place !== null && placeOfSeq(seq) <= place
      return Array.from({ length: 40_000 }, (_, seq) => seq).filter((seq) => typeOf(seq) === type && !gone(seq)).length
    }
    assert.deepEqual([kept(0, 'a'), kept(1, 'b')], [50, size])
    assert.ok(asked < 110, `${asked} statements`)
  })
}

test('what is not exceeded has no place, and counting ends when it is told to', async () => {
  let asked = 0
  const census = async (before: string | null): Promise<Census> => {
    asked++
    const groups = [{ status: 'failed', eventType: 'a', count: 3 }] as const
    return before === null ? { groups, last: placeOfSeq(1) } : { groups: [], last: null }
  }
  const some = rules({ keep: { failed: 3, published: 0 } })
  assert.deepEqual(await surplusOf(new CountedPages({ census }).begin(true), some, async () => true), [none])
  assert.equal(asked, 2)
  assert.deepEqual(await surplusOf(new CountedPages({ census }).begin(true), some, async () => false), [])
  assert.equal(asked, 3)
})
