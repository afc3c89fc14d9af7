import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, answerOf, Probe } from '../../src/health/probe.ts'
import { Pulse } from '../../src/health/pulse.ts'

const WELL: Answer = { ready: true, detail: null }

test('a loop is overdue when its turn takes too long, and in time again with the next', (t) => {
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const pulse = new Pulse(100)
  now = 1_000
  assert.equal(pulse.overdue, 0, 'it has not begun')
  pulse.beat()
  now = 1_100
  assert.equal(pulse.overdue, 0)
  now = 1_130
  assert.equal(pulse.overdue, 30)
  pulse.beat()
  assert.equal(pulse.overdue, 0)
  pulse.rest()
  now = 1e9
  assert.equal(pulse.overdue, 0)
})

test('many who ask at once, and soon after, cost one question; later ones another', async (t) => {
  let now = 0
  t.mock.method(performance, 'now', () => now)
  let asked = 0
  const probe = new Probe(async () => {
    asked++
    return WELL
  })
  const how = { timeout: 1_000, maxAge: 500 }
  const answers = await Promise.all(Array.from({ length: 50 }, () => probe.look(how)))
  assert.deepEqual(new Set(answers), new Set([WELL]))
  now = 499
  await probe.look(how)
  assert.equal(asked, 1)
  now = 501
  await probe.look(how)
  assert.equal(asked, 2)
  await probe.look({ ...how, maxAge: 0 })
  assert.equal(asked, 3)
})

test('a question that hangs is told within the limit, at once to later ones, and is not asked twice', async () => {
  let asked = 0
  const answer = Promise.withResolvers<Answer>()
  const probe = new Probe(() => {
    asked++
    return answer.promise
  })
  const how = { timeout: 30, maxAge: 60_000 }
  const late = { ready: false, detail: 'no answer within 30 ms' }
  assert.deepEqual(await Promise.all([probe.look(how), probe.look(how)]), [late, late])
  assert.deepEqual(await probe.look(how), late)
  assert.equal(asked, 1)
  answer.resolve(WELL)
  await answer.promise
  assert.deepEqual(await probe.look(how), WELL)
  assert.equal(asked, 1)
})

test('who comes when a question has hung for the whole limit does not wait', async (t) => {
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const probe = new Probe(() => new Promise<Answer>(() => undefined))
  void probe.look({ timeout: 1, maxAge: 0 })
  now = 20_000
  const started = Date.now()
  assert.equal((await probe.look({ timeout: 20_000, maxAge: 0 })).ready, false)
  assert.ok(Date.now() - started < 10_000)
})

test('a question that was lost is asked anew after a while', async (t) => {
  let now = 0
  t.mock.method(performance, 'now', () => now)
  let asked = 0
  const probe = new Probe(() => (++asked === 1 ? new Promise<Answer>(() => undefined) : Promise.resolve(WELL)))
  const how = { timeout: 1, maxAge: 60_000 }
  assert.equal((await probe.look(how)).ready, false)
  now = 30_001
  assert.deepEqual(await probe.look(how), WELL)
})

test('what a look throws is its answer', async () => {
  assert.deepEqual(await answerOf(() => Promise.reject(new Error('away'))), { ready: false, detail: 'away' })
  assert.deepEqual(await answerOf(() => 1), WELL)
})
