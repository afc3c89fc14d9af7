/** A lease by itself, on clocks that the test holds. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Lease, moment } from '../../src/relay/lease.ts'
import { endShift, type Shift } from '../../src/relay/shift.ts'

function clocks(t: TestContext) {
  const at = { monotonic: 1_000_000, wall: 1_700_000_000_000 }
  t.mock.method(performance, 'now', () => at.monotonic)
  t.mock.method(Date, 'now', () => at.wall)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  return {
    pass(ms: number) {
      at.monotonic += ms
      at.wall += ms
      t.mock.timers.tick(ms)
    },
    /** The machine stands still: the wall clock is set right afterwards. */
    pause(ms: number) {
      at.wall += ms
    },
  }
}

test('it is counted from before the renewal was asked for', (t) => {
  const { pass } = clocks(t)
  const lease = new Lease(10_000)
  assert.ok(lease.left <= 0)
  const asked = moment()
  pass(2_000)
  lease.extend(asked)
  assert.equal(lease.left, 8_000)
})

test('a send starts with more of it left than that may take, or with most of it where that is longer', (t) => {
  const { pass } = clocks(t)
  const lease = new Lease(10_000)
  assert.equal(lease.allows(1), false)
  lease.extend(moment())
  pass(2_900)
  assert.deepEqual([lease.allows(7_000), lease.allows(60_000)], [true, true])
  pass(200)
  assert.deepEqual([lease.allows(7_000), lease.allows(60_000), lease.allows(6_000)], [false, false, true])
})

test('its end is told when it comes, and not when it was extended before', (t) => {
  const { pass } = clocks(t)
  const lease = new Lease(10_000)
  lease.extend(moment())
  const { signal } = lease
  pass(9_000)
  lease.extend(moment())
  pass(9_000)
  assert.equal(signal.aborted, false)
  pass(1_001)
  assert.equal(signal.aborted, true)
  lease.extend(moment())
  assert.equal(lease.signal.aborted, false, 'another one')
})

test('after the machine stood still nothing starts before the database was asked', (t) => {
  const { pass, pause } = clocks(t)
  const lease = new Lease(10_000)
  let doubts = 0
  lease.onDoubt = () => {
    doubts++
  }
  lease.extend(moment())
  pass(100)
  assert.equal(lease.allows(1_000), true)
  pause(5_000)
  assert.equal(lease.allows(1_000), false)
  assert.equal(doubts, 1)
  lease.extend(moment())
  assert.equal(lease.allows(1_000), true)
})

test('while the last sends of a worker end its lease is renewed, and its lanes are given back after that', async () => {
  const did: string[] = []
  const say = (what: string) => async (): Promise<void> => void did.push(what)
  const running = Promise.withResolvers<void>()
  const part = { stop: () => undefined }
  const shift = {
    keeper: { ...part, renew: say('renew'), leave: say('leave') },
    cycles: [{ stop: () => did.push('stop') }],
    waker: { close: say('close') },
    unserved: part,
    flow: { ...part, write: async () => undefined },
    outages: { idle: async () => undefined },
    running: running.promise,
  } as unknown as Shift
  const ending = endShift(shift, 40)
  await delay(60)
  assert.equal(did[0], 'stop')
  assert.ok(did.includes('renew'))
  assert.ok(!did.includes('leave'))
  running.resolve()
  await ending
  assert.deepEqual(did.slice(-2), ['close', 'leave'])
})
