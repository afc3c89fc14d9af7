import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { HeldEvent } from '../../src/relay/held-event.ts'
import { SendBuffer } from '../../src/relay/send-buffer.ts'

const held = (seq: number, key: string | null, alone = false): HeldEvent => ({
  id: `e${seq}`,
  seq,
  lane: {} as HeldEvent['lane'],
  bytes: 0,
  generation: 0,
  key,
  retryCount: 0,
  maxRetries: 3,
  event: {} as HeldEvent['event'],
  row: {} as HeldEvent['row'],
  marked: alone,
  alone,
  sending: false,
  apart: false,
  destination: undefined,
})
const ids = (events: readonly HeldEvent[]): string[] => events.map((event) => event.id)

test('a key has one unacknowledged run at a time', () => {
  const buffer = new SendBuffer()
  for (const event of [held(1, 'k'), held(2, 'k'), held(3, null), held(4, 'k')]) buffer.add(event)
  const first = buffer.take(2, true)
  assert.deepEqual(ids(first), ['e1', 'e2'])
  assert.deepEqual(ids(buffer.take(9, true)), ['e3'], 'the rest of the key waits')
  buffer.done(first)
  assert.deepEqual(ids(buffer.take(9, true)), ['e4'])
  assert.equal(buffer.size, 0)
})

test('without runs a send has at most one event of a key', () => {
  const buffer = new SendBuffer()
  for (const event of [held(1, 'k'), held(2, 'k'), held(3, 'l')]) buffer.add(event)
  assert.deepEqual(ids(buffer.take(9, false)), ['e1', 'e3'])
})

test('a send ends before an event with which it would have too many bytes, and has at least one', () => {
  const buffer = new SendBuffer()
  const sized = (seq: number, key: string | null, bytes: number): HeldEvent => ({ ...held(seq, key), bytes })
  for (const event of [
    sized(1, 'k', 40),
    sized(2, 'k', 50),
    sized(3, 'k', 30),
    sized(4, null, 10),
    sized(5, null, 500),
    sized(6, null, 5),
  ]) {
    buffer.add(event)
  }
  for (const expected of [['e1', 'e2', 'e4'], ['e5'], ['e6', 'e3']]) {
    const batch = buffer.take(9, true, undefined, 100)
    assert.deepEqual(ids(batch), expected)
    buffer.done(batch)
  }
  assert.equal(buffer.size, 0)
})

test('an event that must go alone makes a batch by itself and keeps its place in the key', () => {
  const buffer = new SendBuffer()
  for (const event of [held(1, 'k'), held(2, 'k', true), held(3, 'k'), held(4, null, true)]) buffer.add(event)
  for (const expected of [['e1'], ['e4'], ['e2'], ['e3']]) {
    const batch = buffer.take(9, true)
    assert.deepEqual(ids(batch), expected)
    buffer.done(batch)
  }
})

test('nothing goes with an event that must go alone, and a batch goes to one destination', () => {
  const buffer = new SendBuffer()
  const to = (seq: number, destination: string): HeldEvent => ({ ...held(seq, null), destination })
  for (const event of [
    held(1, null, true),
    held(6, null),
    held(2, 'k', true),
    held(7, null),
    to(3, 'a'),
    to(4, 'b'),
    to(5, 'a'),
  ])
    buffer.add(event)
  for (const expected of [['e1'], ['e6'], ['e2'], ['e7'], ['e3', 'e5'], ['e4']])
    assert.deepEqual(ids(buffer.take(9, true)), expected)
})

test('an event that committed late takes its place before those that still wait', () => {
  const buffer = new SendBuffer()
  for (const event of [held(2, 'k'), held(5, 'k'), held(3, 'k')]) buffer.add(event)
  assert.deepEqual(ids(buffer.take(9, true)), ['e2', 'e3', 'e5'])
})

test('removed events never come out, and their key can be used again', () => {
  const buffer = new SendBuffer()
  for (const event of [held(1, 'k'), held(2, 'l'), held(3, 'k')]) buffer.add(event)
  assert.deepEqual(ids(buffer.removeKey('k')), ['e1', 'e3'])
  buffer.add(held(4, 'k'))
  assert.deepEqual(ids(buffer.removeWhere((event) => event.key === 'l')), ['e2'])
  assert.deepEqual(ids(buffer.take(9, true)), ['e4'])
  assert.deepEqual(buffer.take(9, true), [])
})

test('any mix of adds, takes and acknowledgements keeps order in every key and loses nothing', () => {
  const step = fc.oneof(
    fc.record({ add: fc.constantFrom('a', 'b', 'c', null) }),
    fc.record({ take: fc.integer({ min: 1, max: 4 }), runs: fc.boolean() }),
    fc.record({ done: fc.nat(3) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const buffer = new SendBuffer()
      const flying: HeldEvent[][] = []
      const sent: HeldEvent[] = []
      let seq = 0
      for (const one of steps) {
        if ('add' in one) buffer.add(held(++seq, one.add))
        else if ('take' in one) {
          const batch = buffer.take(one.take, one.runs)
          const busy = new Set(flying.flat().map((event) => event.key))
          for (const event of batch) assert.ok(event.key === null || !busy.has(event.key), 'a key is in flight once')
          flying.push(batch)
          sent.push(...batch)
        } else buffer.done(flying.splice(one.done, 1)[0] ?? [])
      }
      for (const batch of flying.splice(0)) buffer.done(batch)
      for (let batch = buffer.take(3, true); batch.length > 0; batch = buffer.take(3, true)) {
        sent.push(...batch)
        buffer.done(batch)
      }
      assert.equal(sent.length, seq)
      for (const key of ['a', 'b', 'c']) {
        const order = sent.filter((event) => event.key === key).map((event) => event.seq)
        assert.deepEqual(
          order,
          order.toSorted((one, other) => one - other),
        )
      }
    }),
  )
})

test('what is ready is what a rate is asked for: as much as goes now, and never nothing while something can go', () => {
  const buffer = new SendBuffer()
  for (const event of [held(1, 'k'), held(2, 'k'), held(3, 'k', true), held(4, null), held(5, 'l', true)])
    buffer.add(event)
  assert.equal(buffer.ready(true, 9), 4, 'two of k, one without a key, one of l')
  assert.equal(buffer.ready(false, 9), 3)
  assert.equal(buffer.ready(true, 2), 2)
  assert.equal(
    buffer.ready(true, 9, () => 0),
    0,
  )
  assert.equal(
    buffer.ready(true, 9, () => 3),
    3,
    'no more than has room where it goes',
  )
  const event = fc.record({ key: fc.constantFrom(null, 'k', 'l', 'm'), alone: fc.boolean() })
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 12 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 5 }),
      (events, runs, takes) => {
        const some = new SendBuffer()
        for (const [n, { key, alone }] of events.entries()) some.add(held(n, key, alone))
        for (let n = 0; n < takes; n++) {
          const ready = some.ready(runs, 100)
          const taken = some.take(100, runs).length
          assert.equal(ready > 0, taken > 0)
          assert.ok(ready >= taken)
        }
      },
    ),
  )
})
