import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Received } from '../../src/consumer/received.ts'

const never = new AbortController().signal

describe('what a connection has delivered', () => {
  test('is handed on in order, what comes at the same time together', async () => {
    const received = new Received<string>()
    const taking = received.take(10, never)
    received.add('1')
    received.add('2')
    received.add('3')
    assert.deepEqual(await taking, ['1', '2', '3'])
    received.add('4')
    received.add('5')
    assert.deepEqual(await received.take(1, never), ['4'])
    assert.deepEqual(await received.take(1, never), ['5'])
  })

  test('is put back before what came after it', async () => {
    const received = new Received<string>()
    for (const each of ['1', '2', '3', '4']) received.add(each)
    assert.deepEqual(await received.take(3, never), ['1', '2', '3'])
    received.putBack('3')
    received.putBack('1')
    assert.deepEqual(await received.take(10, never), ['1', '3', '4'])
  })

  test('is concluded once, and is nobody else’s until then', () => {
    const received = new Received<string>()
    received.add('1')
    assert.equal(received.has('1'), true)
    assert.deepEqual([received.conclude('1'), received.conclude('1')], [true, false])
  })

  test('is lost with the connection, for the reason that was given first', async () => {
    const received = new Received<string>()
    received.add('1')
    assert.deepEqual(await received.take(1, never), ['1'])
    const taking = received.take(1, never)
    received.blame('a reason')
    received.blame('another')
    received.lose()
    assert.deepEqual(await taking, [])
    assert.deepEqual([received.lost.aborted, received.has('1'), received.error], [true, false, 'a reason'])
  })

  test('the wait for it ends when the signal aborts, and when it is woken', async () => {
    const received = new Received<string>()
    const stop = new AbortController()
    const taking = received.take(1, stop.signal)
    stop.abort()
    assert.deepEqual(await taking, [])
    assert.deepEqual(await received.take(1, stop.signal), [])
    const waiting = received.take(1, never)
    received.wake()
    assert.deepEqual(await waiting, [])
  })
})
