/** How fast events come, and how long a relay that found nothing sleeps. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Idle } from '../../src/relay/idle.ts'
import { Pace } from '../../src/relay/pace.ts'
import type { Sleeper, Waker } from '../../src/relay/waker.ts'

test('many events, or many calls, are a rush, and soon it is over', async () => {
  const [events, calls] = [new Pace(), new Pace()]
  assert.equal(events.isBrisk, false)
  events.found(700)
  assert.deepEqual([events.isBrisk, events.isRush], [true, false])
  events.found(700)
  assert.deepEqual([events.isBrisk, events.isRush], [true, true])
  for (let n = 0; n < 350; n++) calls.called()
  assert.deepEqual([calls.isBrisk, calls.isRush], [true, false])
  for (let n = 0; n < 350; n++) calls.called()
  assert.deepEqual([calls.isBrisk, calls.isRush], [true, true])
  await delay(700)
  assert.deepEqual([events.isBrisk, calls.isBrisk], [false, false])
})

test('polls are quick at first, then as far apart as it is safe', async () => {
  const told: string[] = []
  let rest: Awaited<ReturnType<Waker['rest']>> = 'poll'
  const waker = {
    attend: () => void told.push('attend'),
    busy: () => void told.push('busy'),
    rest: async () => {
      told.push('rest')
      return rest
    },
  } as unknown as Waker
  const sleeper: Sleeper = { wake: () => undefined }
  const idle = new Idle(waker, new Pace(), { pollInterval: 1_000, idleInterval: 60_000 })
  const quick: number[] = []
  for (let n = 0; n < 4; n++) quick.push(await idle.next(sleeper))
  assert.deepEqual(quick, [10, 20, 40, 80])
  const until = async (last: number): Promise<number> => {
    for (let n = 0; n < 20; n++) await idle.next(sleeper)
    const wait = await idle.next(sleeper)
    assert.ok(wait >= 0.75 * last && wait <= 1.25 * last, `${wait}, and not about ${last}`)
    return wait
  }
  await until(1_000)
  rest = 'sleep'
  await until(60_000)
  rest = 'beside-busy'
  await until(250)
  rest = 'sweep'
  assert.equal(await idle.next(sleeper), 0, 'once more before the long sleep')
  idle.end(sleeper)
  assert.equal(told.at(-1), 'busy')
  assert.equal(await idle.next(sleeper), 10)
})
