import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Connection } from '../../src/foundation/connection.ts'

/** What a connection of the test has seen happen to it. */
interface Open {
  readonly number: number
  usable: boolean
  readonly fate: string[]
}

/** A connection whose attempts the test ends by hand. */
function scripted() {
  const attempts: PromiseWithResolvers<Open>[] = []
  const goodbye = Promise.withResolvers<void>()
  const connection = new Connection<Open>({
    open() {
      const attempt = Promise.withResolvers<Open>()
      attempts.push(attempt)
      return attempt.promise
    },
    isUsable: ({ usable }) => usable,
    end: ({ fate }) => void fate.push('ended'),
    async close({ fate }) {
      fate.push('closing')
      await goodbye.promise
    },
    interrupted: (reason) => new Error('interrupted', { cause: reason }),
  })
  const succeed = (): Open => {
    const open = { number: attempts.length, usable: true, fate: [] }
    attempts.at(-1)?.resolve(open)
    return open
  }
  return { connection, attempts, succeed, goodbye }
}

describe('a connection', () => {
  test('is opened once for all who ask at the same time, and kept', async () => {
    const { connection, attempts, succeed } = scripted()
    const asked = [connection.get(), connection.get()]
    const open = succeed()
    assert.deepEqual(await Promise.all(asked), [open, open])
    assert.equal(await connection.get(), open)
    assert.equal(connection.current, open)
    assert.equal(attempts.length, 1)
  })

  test('is tried again after an attempt that failed, and each who waited is told', async () => {
    const { connection, attempts, succeed } = scripted()
    const asked = [connection.get(), connection.get()]
    attempts[0]?.reject(new Error('refused'))
    const told = await Promise.allSettled(asked)
    assert.deepEqual(
      told.map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    const again = connection.get()
    const next = succeed()
    assert.equal(await again, next)
  })

  test('an abort ends the wait of one caller, and not the attempt', async () => {
    const { connection, succeed } = scripted()
    const stop = new AbortController()
    const impatient = connection.get(stop.signal)
    const patient = connection.get()
    stop.abort('enough')
    await assert.rejects(impatient, { message: 'interrupted', cause: 'enough' })
    const open = succeed()
    assert.equal(await patient, open)
    assert.deepEqual(open.fate, [])
  })

  test('a drop ends that one alone: what was said of it later does not concern the next', async () => {
    const { connection, succeed } = scripted()
    const asked = connection.get()
    const first = succeed()
    await asked
    connection.drop(first)
    assert.deepEqual(first.fate, ['ended'])
    const again = connection.get()
    const second = succeed()
    assert.equal(await again, second)
    connection.drop(first)
    assert.equal(connection.current, second)
    assert.deepEqual([first.fate, second.fate], [['ended'], []])
  })

  test('one that cannot be used any more is ended before the next is opened', async () => {
    const { connection, succeed } = scripted()
    const asked = connection.get()
    const first = succeed()
    await asked
    first.usable = false
    const again = connection.get()
    assert.deepEqual(first.fate, ['ended'])
    const next = succeed()
    assert.equal(await again, next)
  })

  test('one that is forgotten is left open for what is in flight on it', async () => {
    const { connection, succeed } = scripted()
    const asked = connection.get()
    const first = succeed()
    await asked
    assert.equal(connection.forget(first), true)
    assert.equal(connection.forget(first), false)
    assert.deepEqual(first.fate, [])
    const again = connection.get()
    const next = succeed()
    assert.equal(await again, next)
  })

  test('a close while it is being opened waits, and leaves nothing open', async () => {
    const { connection, succeed, goodbye } = scripted()
    const asked = connection.get()
    const closing = connection.close()
    await assert.rejects(connection.get(), { code: 'CLOSED' })
    const open = succeed()
    await asked
    goodbye.resolve()
    await closing
    assert.deepEqual(open.fate, ['closing', 'ended'])
    assert.equal(connection.current, undefined)
  })

  test('a close waits for what is in flight, and no longer', async () => {
    const { connection, succeed, goodbye } = scripted()
    const asked = connection.get()
    const open = succeed()
    await asked
    const work = Promise.withResolvers<void>()
    const tracked = connection.track(work.promise)
    const closing = connection.close()
    await turn()
    assert.deepEqual([open.fate, connection.ended.aborted], [[], false])
    work.reject(new Error('own'))
    await assert.rejects(tracked, /own/)
    await turn()
    assert.deepEqual([open.fate, connection.ended.aborted], [['closing'], true])
    goodbye.reject(new Error('the server did not say goodbye'))
    await closing
    assert.deepEqual(open.fate, ['closing', 'ended'])
    assert.equal(connection.close(), closing)
  })

  test('a close of one that was never opened opens nothing', async () => {
    const { connection, attempts } = scripted()
    await connection.close()
    assert.equal(connection.closed, true)
    await assert.rejects(connection.get(), { code: 'CLOSED' })
    assert.equal(attempts.length, 0)
  })
})
