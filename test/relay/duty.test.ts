import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Duty } from '../../src/relay/duty.ts'

/** A duty whose store always gives it, after `hold` is over. */
function duty(hold: () => Promise<void> = async () => undefined) {
  const did: string[] = []
  const one = new Duty({
    name: 'clean-up',
    lease: 20,
    store: {
      take: async () => {
        did.push('take')
        await hold()
        return true
      },
      giveBack: async () => void did.push('give back'),
    },
    onError: (error) => assert.fail(String(error)),
  })
  return { did, one }
}

/** Nothing of this process runs for so long, as when it is frozen. */
function freeze(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

test('a duty that ended while this process was frozen is not taken up again until it begins anew', async () => {
  const { did, one } = duty()
  assert.equal(await one.begin(), true)
  freeze(100)
  await delay(40)
  assert.equal(one.isOurs, false, 'another may have had it meanwhile')
  await one.end()
  assert.deepEqual(did, ['take'])
  assert.equal(await one.begin(), true)
  assert.equal(one.isOurs, true)
  await one.end()
  assert.deepEqual(did, ['take', 'take', 'give back'])
})

test('a duty whose extension was answered after its end is given back', async () => {
  const held = Promise.withResolvers<void>()
  let asked = 0
  const { did, one } = duty(() => (++asked === 1 ? Promise.resolve() : held.promise))
  await one.begin()
  while (asked < 2) await delay(1)
  while (one.isOurs) await delay(1)
  held.resolve()
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(one.isOurs, false, 'another may have had it meanwhile')
  await one.end()
  assert.equal(one.isOurs, false)
  assert.deepEqual(did, ['take', 'take', 'give back'])
})

test('a lease is counted from before it was asked for, however late the answer', async () => {
  const { one } = duty(async () => freeze(100))
  assert.equal(await one.begin(), true)
  assert.equal(one.isOurs, false)
  await one.end()
})
