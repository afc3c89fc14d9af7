import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BroadcasterError } from '../../src/errors.ts'
import { resolveLogger } from '../../src/telemetry/logger.ts'
import { onSignal, type SignalMessage, SignalSource } from '../../src/telemetry/signals.ts'

function recordingLogger() {
  const lines: string[] = []
  return {
    lines,
    warn: (line: string) => void lines.push(`warn ${line}`),
    error: (line: string) => void lines.push(`error ${line}`),
  }
}

for (const [how, listener] of [
  [
    'throws',
    () => {
      throw new Error('no')
    },
  ],
  ['rejects', () => Promise.reject(new Error('no'))],
] as const) {
  test(`a listener that ${how} is reported, and the others hear the signal`, async () => {
    const logger = recordingLogger()
    const source = new SignalSource('listeners', logger)
    const heard: string[] = []
    const failures: SignalMessage<'listener.failed'>[] = []
    const stops = [
      onSignal('worker.stopped', listener),
      onSignal('worker.stopped', ({ worker }) => void heard.push(worker)),
      onSignal('listener.failed', (message) => {
        failures.push(message)
        throw new Error('neither')
      }),
    ]
    source.emit('worker.stopped', { worker: 'one' })
    await new Promise((resolve) => setImmediate(resolve))
    for (const stop of stops) stop()
    assert.deepEqual(heard, ['one'])
    assert.deepEqual(
      failures.map(({ outbox, signal }) => ({ outbox, signal })),
      [{ outbox: 'listeners', signal: 'worker.stopped' }],
    )
    assert.equal(logger.lines.length, 1)
    assert.match(logger.lines[0] ?? '', /^error broadcaster: a listener of the signal worker\.stopped threw: no/)
  })
}

test('what tells of trouble is written in one line each, and the same trouble only now and then', () => {
  const logger = recordingLogger()
  const source = new SignalSource('log', logger)
  for (let n = 0; n < 100; n++) {
    source.emit('backend.down', { backend: 'one', worker: 'w', error: new Error('gone\n\u001b[2J away') })
  }
  source.emit('backend.down', { backend: 'two', worker: 'w', error: new Error('gone') })
  source.emit('worker.started', { worker: 'w', backends: ['one'] })
  assert.deepEqual(logger.lines, [
    'error broadcaster: backend one is DOWN, its events wait: gone [2J away',
    'error broadcaster: backend two is DOWN, its events wait: gone',
  ])
})

test('a line says whether the database is to blame', () => {
  const logger = recordingLogger()
  const source = new SignalSource('blame', logger)
  source.emit('worker.error', { worker: 'w', error: new BroadcasterError('STORE_UNAVAILABLE', 'connection refused') })
  assert.match(logger.lines[0] ?? '', /worker w: the database: connection refused/)
  source.emit('worker.error', { worker: 'w', error: new BroadcasterError('SCHEMA_OUTDATED', 'version 1 of 9') })
  assert.match(logger.lines[1] ?? '', /worker w: the database: version 1 of 9/)
  source.emit('worker.error', { worker: 'w', error: new BroadcasterError('SEND_OUTAGE', 'connection refused') })
  assert.match(logger.lines[2] ?? '', /worker w: connection refused/)
  source.emit('store.down', { worker: 'w', error: new Error('connection refused') })
  assert.match(logger.lines[3] ?? '', /^error .*worker w cannot use its database: connection refused/)
})

test('a logger that throws harms nothing', () => {
  const fails = (): never => {
    throw new Error('full disk')
  }
  new SignalSource('throws', { warn: fails, error: fails }).emit('store.up', { worker: 'w' })
})

test('a logger is console, an object of its shape, or false', () => {
  assert.equal(resolveLogger('Broadcaster', false), undefined)
  assert.equal(resolveLogger('Broadcaster', console), console)
  assert.notEqual(resolveLogger('Broadcaster', undefined), undefined)
  for (const wrong of [true, null, 'stderr', {}, { warn: console.warn }]) {
    assert.throws(() => resolveLogger('Broadcaster', wrong), { code: 'INVALID_OPTION', field: 'logger' })
  }
})
