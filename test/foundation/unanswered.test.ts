import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Unanswered } from '../../src/foundation/unanswered.ts'

test('what is not answered in time is late, the oldest first, and nothing else is', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const pass = (duration: number): void => {
    now += duration
    t.mock.timers.tick(duration)
  }
  const late: string[] = []
  const waiting = new Unanswered<string>(100, (names) => {
    for (const name of names) waiting.delete(name)
    late.push(...names)
  })
  waiting.add('a')
  pass(40)
  waiting.add('b')
  waiting.add('answered')
  pass(30)
  waiting.add('c')
  waiting.delete('answered')
  pass(29)
  assert.deepEqual(late, [])
  pass(1)
  assert.deepEqual(late, ['a'])
  pass(40)
  assert.deepEqual(late, ['a', 'b'])
  assert.deepEqual([...waiting], ['c'])
  pass(30)
  assert.deepEqual(late, ['a', 'b', 'c'])
  assert.equal(waiting.size, 0)
})

test('when nothing waits, no timer runs; the next one has all of its time', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const late: string[] = []
  const waiting = new Unanswered<string>(100, (names) => late.push(...names))
  waiting.add('a')
  now = 60
  t.mock.timers.tick(60)
  waiting.delete('a')
  waiting.add('b')
  now = 159
  t.mock.timers.tick(99)
  assert.deepEqual(late, [])
  now = 160
  t.mock.timers.tick(1)
  assert.deepEqual(late, ['b'])
})
