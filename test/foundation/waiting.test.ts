import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, mock, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { callWithin, settles, waitFor } from '../../src/foundation/waiting.ts'

const late = (): Error => new Error('late')
const never = new Promise<never>(() => undefined)

/** How many timers are set and not cleared, as the process sees it. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length
}

describe('waiting', () => {
  const unhandled: unknown[] = []
  const onUnhandled = (error: unknown): void => void unhandled.push(error)
  beforeEach(() => {
    unhandled.length = 0
    process.on('unhandledRejection', onUnhandled)
  })
  afterEach(() => {
    mock.timers.reset()
    process.removeListener('unhandledRejection', onUnhandled)
  })

  test('settles as what is waited for', async () => {
    assert.equal(await waitFor(Promise.resolve(1), { timeout: 60_000 }, late), 1)
    await assert.rejects(waitFor(Promise.reject(new Error('own')), { timeout: 60_000 }, late), /own/)
    assert.equal(await settles(Promise.resolve(), { timeout: 60_000 }), true)
    assert.equal(await settles(Promise.reject(new Error('own')), { timeout: 60_000 }), true)
  })

  test('rejects with what the caller says when the time is over, and not before', async () => {
    mock.timers.enable({ apis: ['setTimeout'] })
    let said = 'nothing yet'
    const waiting = waitFor(never, { timeout: 100 }, late).catch((error: unknown) => (said = String(error)))
    const settled = settles(never, { timeout: 100 })
    mock.timers.tick(99)
    await turn()
    assert.equal(said, 'nothing yet')
    mock.timers.tick(1)
    await waiting
    assert.equal(said, 'Error: late')
    assert.equal(await settled, false)
  })

  test('a time longer than timers can wait is not over at once', async () => {
    const work = Promise.withResolvers<string>()
    const waiting = waitFor(work.promise, { timeout: Number.POSITIVE_INFINITY }, late)
    await new Promise((resolve) => setTimeout(resolve, 5))
    work.resolve('in time')
    assert.equal(await waiting, 'in time')
  })

  test('ends with the signal, also one that has aborted before', async () => {
    const stop = new AbortController()
    const waiting = waitFor(never, { signal: stop.signal }, late)
    stop.abort()
    await assert.rejects(waiting, /late/)
    await assert.rejects(waitFor(never, { signal: stop.signal }, late), /late/)
    assert.equal(await settles(never, { signal: stop.signal }), false)
  })

  test('goes on for the grace after the signal, whatever the time', async () => {
    mock.timers.enable({ apis: ['setTimeout'] })
    const stop = new AbortController()
    const work = Promise.withResolvers<string>()
    const limit = { signal: stop.signal, grace: 50, timeout: 60 }
    const inTime = waitFor(work.promise, limit, late)
    const tooLate = assert.rejects(waitFor(never, limit, late), /late/)
    mock.timers.tick(40)
    stop.abort()
    mock.timers.tick(49)
    work.resolve('in time')
    assert.equal(await inTime, 'in time')
    mock.timers.tick(1)
    await tooLate
  })

  test('a rejection that comes after the wait is not an unhandled one', async () => {
    const stop = new AbortController()
    const work = Promise.withResolvers<never>()
    const waits = [
      waitFor(work.promise, { signal: stop.signal }, late),
      callWithin({ signal: stop.signal }, () => work.promise, late),
    ]
    const ended = Promise.allSettled([...waits, settles(work.promise, { signal: stop.signal })])
    await turn()
    stop.abort()
    await ended
    work.reject(new Error('too late'))
    await turn()
    assert.deepEqual(unhandled, [])
  })

  test('leaves no timer and no listener behind, however it ends', async () => {
    const before = timers()
    const stop = new AbortController()
    const limit = { timeout: 60_000, signal: stop.signal }
    for (let n = 0; n < 20; n++) {
      await waitFor(Promise.resolve(), limit, late)
      await settles(Promise.reject(new Error('own')), limit)
      await callWithin(limit, () => Promise.reject(new Error('own')), late).catch(() => undefined)
      await waitFor(never, { timeout: 1, signal: stop.signal }, late).catch(() => undefined)
    }
    assert.equal(getEventListeners(stop.signal, 'abort').length, 0)
    const waiting = waitFor(never, limit, late)
    assert.equal(getEventListeners(stop.signal, 'abort').length, 1)
    assert.equal(timers(), before + 1)
    stop.abort()
    await assert.rejects(waiting)
    assert.equal(getEventListeners(stop.signal, 'abort').length, 0)
    assert.equal(timers(), before)
  })

  test('tells the code it calls that it is waited for no more, and why', async () => {
    const stop = new AbortController()
    const seen: unknown[] = []
    const ignoring = (signal: AbortSignal): Promise<never> => {
      signal.addEventListener('abort', () => seen.push(signal.reason))
      return never
    }
    const because = (limit: string): Error => new Error(`ended by ${limit}`)
    await assert.rejects(callWithin({ timeout: 1, signal: stop.signal }, ignoring, because), /ended by timeout/)
    const waiting = callWithin({ timeout: 60_000, signal: stop.signal }, ignoring, because)
    await turn()
    stop.abort()
    await assert.rejects(waiting, /ended by abort/)
    assert.deepEqual(seen.map(String), ['Error: ended by timeout', 'Error: ended by abort'])
  })

  test('calls nothing after an abort, and rejects when the code throws at once', async () => {
    let called = false
    const call = (): void => {
      called = true
    }
    await assert.rejects(callWithin({ signal: AbortSignal.abort() }, call, late), /late/)
    await turn()
    assert.equal(called, false)
    const throwing = (): never => {
      throw new Error('own')
    }
    await assert.rejects(callWithin({ timeout: 60_000 }, throwing, late), /own/)
  })
})
