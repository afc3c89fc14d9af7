import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { SendResult } from '../../src/backend/backend.ts'
import { consoleBackend } from '../../src/backend/console/console.ts'
import { eachEvent } from '../../src/backend/each-event.ts'
import { fileBackend } from '../../src/backend/file/file.ts'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { classifySendError, PermanentError } from '../../src/backend/send-error.ts'
import { sampleEvent, sampleEvents } from '../../src/testing/sample-events.ts'

const never = new AbortController().signal
const kindOf = (result: SendResult | undefined) => (result?.ok ? 'ok' : result && classifySendError(result.error).kind)

describe('eachEvent', () => {
  test('the class of what the function throws decides', async () => {
    const thrown = [
      undefined,
      new Error('x'),
      new PermanentError('x'),
      Object.assign(new Error('x'), { code: 'ECONNRESET' }),
    ]
    const backend = eachEvent((event) => {
      if (event.seq !== 1) throw thrown[event.seq ?? 0]
    })
    const results = await backend.send(
      [1, 0, 2, 3].map((n) => sampleEvent({ seq: n === 1 ? 1 : n })),
      never,
    )
    assert.deepEqual(results.map(kindOf), ['ok', 'failure', 'permanent', 'outage'])
  })

  test('a function that never ends fails its event after the timeout; closing calls close once', async () => {
    let closed = 0
    const backend = eachEvent(() => new Promise(() => undefined), { timeout: 20, close: async () => void closed++ })
    const results = await backend.send(sampleEvents(2, 1), never)
    assert.deepEqual(results.map(kindOf), ['failure', 'not-attempted'])
    await Promise.all([backend.close(), backend.close()])
    assert.equal(closed, 1)
  })

  test('unknown options are refused with a suggestion', () => {
    assert.throws(() => eachEvent(() => undefined, { timeuot: 1 } as never), /did you mean "timeout"/)
  })
})

describe('memoryBackend', () => {
  test('faults: fail some, for a while; lose an acknowledgement; down and up', async () => {
    const backend = memoryBackend()
    backend.faults.fail({ type: 'bad' }, new PermanentError('no'), 1)
    const bad = sampleEvent({ eventType: 'bad' })
    assert.deepEqual((await backend.send([bad, sampleEvent()], never)).map(kindOf), ['permanent', 'ok'])
    assert.deepEqual((await backend.send([bad], never)).map(kindOf), ['ok'])
    backend.clear()

    backend.faults.loseAcknowledgement('*')
    const twice = sampleEvent()
    assert.deepEqual((await backend.send([twice], never)).map(kindOf), ['outage'])
    assert.deepEqual((await backend.send([twice], never)).map(kindOf), ['ok'])
    assert.deepEqual(
      backend.events.map(({ id }) => id),
      [twice.id, twice.id],
    )

    backend.faults.down()
    assert.equal((await backend.healthCheck(never)).healthy, false)
    assert.deepEqual((await backend.send([twice], never)).map(kindOf), ['outage'])
    backend.faults.clear()
    assert.equal((await backend.healthCheck(never)).healthy, true)
    assert.equal(backend.cloudEvents[0]?.type, 'order.created')
  })

  test('hold keeps sends waiting until release or abort; waitFor tells when enough have arrived', async () => {
    const backend = memoryBackend()
    backend.faults.hold()
    const stop = new AbortController()
    const aborted = backend.send([sampleEvent()], stop.signal)
    const held = backend.send(sampleEvents(2), never)
    stop.abort()
    assert.deepEqual((await aborted).map(kindOf), ['not-attempted'])
    assert.equal(backend.events.length, 0)
    const arrived = backend.waitFor(2)
    backend.faults.release()
    assert.equal((await arrived).length, 2)
    assert.ok((await held).every(({ ok }) => ok))
    assert.equal((await backend.waitFor(1)).length, 2)
  })
})

describe('consoleBackend', () => {
  test('text is one line for each event', async () => {
    let text = ''
    const backend = consoleBackend({ write: (line) => (text += line) })
    const id = '01'
    await backend.send([sampleEvent({ id, partitionKey: 'k', data: '{\n  "a": "b\\nc"\n}' })], never)
    await backend.send([sampleEvent({ id, data: null, dataBinary: new Uint8Array(3) })], never)
    assert.equal(
      text,
      '2026-01-02T03:04:05.678Z order.created 01 key=k { "a": "b\\nc" }\n2026-01-02T03:04:05.678Z order.created 01 <3 bytes>\n',
    )
  })

  test('a write that fails delivers nothing after it of the same key', async () => {
    const backend = consoleBackend({
      write: async () => {
        throw Object.assign(new Error('closed'), { code: 'EPIPE' })
      },
    })
    assert.deepEqual((await backend.send(sampleEvents(2, 1), never)).map(kindOf), ['outage', 'not-attempted'])
    assert.throws(() => consoleBackend({} as never), { code: 'INVALID_OPTION' })
  })
})

describe('file', () => {
  test('after a torn line the next event begins on a new one', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'broadcaster-file-'))
    const path = join(directory, 'events.jsonl')
    const backend = fileBackend({ path })
    await backend.send([sampleEvent({ id: 'a' })], never)
    await appendFile(path, '{"torn":')
    await backend.send([sampleEvent({ id: 'b', data: '{\n"n":1}' })], never)
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n')
    assert.equal(lines.length, 3)
    assert.equal(JSON.parse(lines[0] ?? '').id, 'a')
    assert.equal(JSON.parse(lines[2] ?? '').id, 'b')
    await rm(directory, { recursive: true })
  })

  test('a disk that hangs is an outage when the send ends, also for those that wait for it; order stays', {
    skip: process.platform === 'win32' && 'Windows has no FIFO',
    timeout: 60_000,
  }, async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'broadcaster-file-'))
    const path = join(directory, 'fifo')
    execFileSync('mkfifo', [path])
    let read = ''
    let reading: Promise<unknown> | undefined
    // A FIFO takes 64 KiB, and all of it once somebody reads.
    const release = (): Promise<unknown> => {
      if (reading) return reading
      const reader = spawn('cat', [path], { stdio: ['ignore', 'pipe', 'inherit'] })
      reader.stdout.on('data', (chunk: Buffer) => void (read += chunk.toString()))
      return (reading = once(reader, 'close'))
    }
    t.after(async () => {
      await release()
      await rm(directory, { recursive: true })
    })
    const backend = fileBackend({ path })
    const stop = new AbortController()
    const hung = backend.send([sampleEvent({ id: 'a', data: JSON.stringify('x'.repeat(200_000)) })], stop.signal)
    const behind = backend.send([sampleEvent({ id: 'b' })], stop.signal)
    setImmediate(() => stop.abort(new Error('too late')))
    assert.deepEqual((await hung).map(kindOf), ['outage'])
    assert.deepEqual((await behind).map(kindOf), ['outage'])
    const next = backend.send([sampleEvent({ id: 'c' })], never)
    await release()
    assert.deepEqual((await next).map(kindOf), ['ok'])
    assert.match(read, /"id":"a"/)
    // What was given up before it was begun is not written afterwards.
    assert.doesNotMatch(read, /"id":"b"/)
  })

  test('a directory that is not there is an outage', async () => {
    const backend = fileBackend({ path: join(tmpdir(), 'broadcaster-no-such', 'x.jsonl') })
    assert.deepEqual((await backend.send(sampleEvents(2), never)).map(kindOf), ['outage', 'outage'])
    assert.equal((await backend.healthCheck(never)).healthy, false)
    assert.throws(() => fileBackend({} as never), { code: 'INVALID_OPTION', field: 'path' })
  })
})
