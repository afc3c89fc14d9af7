/** Which events wait for which, by what is known of one lane. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlockedKeys, type Head } from '../../src/relay/blocked-keys.ts'
import type { FetchedRow } from '../../src/store/relay-store.ts'

const NOW = 1_000_000
const head = (seq: number, given: Partial<Head> = {}): Head => ({
  id: `e${seq}`,
  seq,
  generation: 0,
  dueAt: NOW,
  ...given,
})
const row = (seq: number, given: Partial<FetchedRow> = {}): FetchedRow =>
  ({ id: `e${seq}`, seq, partitionKey: 'k', status: 'retry', generation: 0, ...given }) as FetchedRow

test('an event waits for those before it, and for the one of them that is due last', () => {
  const keys = new BlockedKeys()
  keys.hold('k', head(5, { dueAt: NOW + 100 }))
  keys.hold('k', head(6, { dueAt: NOW + 900 }))
  keys.hold('k', head(7, { dueAt: NOW + 500 }))
  const waitsFor = (seq: number): number | undefined => keys.blocker('k', seq)?.seq
  assert.deepEqual([4, 5, 6, 7, 8].map(waitsFor), [undefined, undefined, 5, 6, 6])
  keys.hold('k', head(1, { dueAt: null }))
  assert.equal(waitsFor(8), 1, 'one that failed for good is never due')
  assert.equal(keys.blocker('another', 8), undefined)
})

test('a head that is fetched holds its key no longer', () => {
  const keys = new BlockedKeys()
  keys.hold('k', head(1))
  keys.hold('k', head(2))
  assert.equal(keys.admit({ key: 'k', id: 'e2', seq: 2 })?.seq, 1)
  assert.equal(keys.admit({ key: 'k', id: 'e1', seq: 1 }), undefined)
  assert.equal(keys.blocker('k', 9), undefined)
  assert.equal(keys.admit({ key: null, id: 'e1', seq: 1 }), undefined)
})

// A list made anew for each of them takes two minutes.
test('a hundred thousand heads of one key are taken over in one walk', () => {
  const keys = new BlockedKeys()
  const many = Array.from({ length: 100_000 }, (_, n) => ({
    ...{ id: `e${n}`, seq: n, lane: 0, partitionKey: 'k', generation: 0, dueIn: null },
  }))
  keys.reset(
    [...many, { ...many[7], id: 'e7', seq: 7, lane: 0, partitionKey: 'k', generation: 3, dueIn: 5 }],
    NOW,
    () => false,
  )
  assert.equal(keys.blocker('k', 0), undefined)
  assert.equal(keys.blocker('k', 100_000)?.dueAt, null)
  keys.reset(many.slice(0, 2), NOW, () => false)
  assert.equal(keys.admit({ key: 'k', id: 'e0', seq: 0 }), undefined)
  assert.equal(keys.admit({ key: 'k', id: 'e9', seq: 9 })?.id, 'e1')
})

test('a head is expected back when it is due, as it was, and brought back by an unpark of ours', () => {
  const expects = (given: Partial<FetchedRow>, of: Partial<Head> = {}, isBack = true, now = NOW): boolean => {
    const keys = new BlockedKeys()
    keys.hold('k', head(1, of))
    if (isBack) keys.woke(['e1'], [])
    return keys.expects(row(1, given), now)
  }
  assert.equal(expects({}), true)
  assert.equal(expects({ generation: 1 }), false, 'an operator moved it')
  assert.equal(expects({}, {}, false), false, 'a statement that ran late brought it back')
  assert.equal(expects({}, {}, true, NOW - 300), false, 'it comes early')
  assert.equal(expects({}, {}, true, NOW - 200), true, 'the clock of the database may be ahead')
  assert.equal(expects({ status: 'pending' }), false, 'it was put back by hand')
  assert.equal(expects({}, { dueAt: null }), false, 'it had failed for good')
  assert.equal(expects({ status: 'pending' }, { returned: true }, false), true, 'it went back as it was')
  assert.equal(expects({ generation: 1 }, { unrecorded: true }, false), true, 'the store knows nothing of it')
  assert.equal(expects({ partitionKey: null, generation: 1 }, {}, false), true)
  assert.equal(new BlockedKeys().expects(row(1), NOW), true, 'it is no head')
})

test('what an unpark had to leave holds its key, unless it is known already', () => {
  const keys = new BlockedKeys()
  keys.hold('known', head(3, { dueAt: null }))
  const locked = (seq: number, partitionKey: string) => {
    return { id: `e${seq}`, seq, lane: 0, partitionKey, generation: 0, dueIn: 0 }
  }
  keys.woke([], [locked(1, 'k'), locked(3, 'known')])
  assert.equal(keys.blocker('k', 9)?.seq, 1)
  assert.equal(keys.blocker('known', 9)?.dueAt, null)
})

test('what the store says of a lane takes the place of what was known, but for what it cannot know', () => {
  const keys = new BlockedKeys()
  keys.hold('gone', head(1))
  keys.hold('unrecorded', head(2, { unrecorded: true, dueAt: NOW + 1_000 }))
  keys.hold('over', head(3, { unrecorded: true, dueAt: NOW - 1_000 }))
  keys.hold('on its way', head(4))
  const known = { id: 'e5', seq: 5, lane: 0, partitionKey: 'known', generation: 0 }
  keys.reset([{ ...known, dueIn: 500 }], NOW, (id) => id === 'e4')
  assert.equal(keys.blocker('gone', 9), undefined)
  assert.equal(keys.blocker('over', 9), undefined)
  assert.equal(keys.blocker('unrecorded', 9)?.seq, 2)
  assert.equal(keys.blocker('on its way', 9)?.seq, 4)
  assert.equal(keys.blocker('known', 9)?.dueAt, NOW + 500)
  keys.reset([{ ...known, dueIn: null }], NOW, () => false)
  assert.equal(keys.blocker('known', 9)?.dueAt, null)
})
