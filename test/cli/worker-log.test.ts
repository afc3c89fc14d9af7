import assert from 'node:assert/strict'
import { test } from 'node:test'
import { screenOn } from '../../src/cli/screen.ts'
import { startWorkerLog } from '../../src/cli/worker-log.ts'
import { keyHash } from '../../src/record/hash-key.ts'
import { OutboxEvent } from '../../src/record/outbox-event.ts'
import { SignalSource, type Signals } from '../../src/telemetry/signals.ts'
import { FakeTerminal } from '../support/fake-terminal.ts'

/** What a person reads of these signals, without the time of each line. */
function logged(verbose: boolean, work: (source: SignalSource) => void): readonly string[] {
  const terminal = new FakeTerminal('.')
  const stop = startWorkerLog(['shop'], screenOn(terminal), { json: false, verbose, passes: false })
  work(new SignalSource('shop'))
  stop()
  return terminal.lines.map((line) => line.replace(/^\S+ /, ''))
}

function fails(source: SignalSource, ...messages: readonly string[]): void {
  for (const message of messages) source.emit('worker.error', { worker: 'one', error: new Error(message) })
}

test('the same trouble is told once in a while, other trouble at once, and verbose tells each', () => {
  const away = Array.from({ length: 100 }, () => 'cannot be reached')
  assert.deepEqual(
    logged(false, (source) => fails(source, ...away, 'is starting up')),
    ['error: cannot be reached', 'error: is starting up', 'error: cannot be reached (and 98 more like it before)'],
  )
  assert.equal(logged(true, (source) => fails(source, ...away)).length, 100)
})

test('errors that differ only in numbers, ids or quoted values are the same trouble', () => {
  const waits = [8_001, 7_990, 12].map((wait) => `no connection to MySQL came free within ${wait} ms`)
  assert.deepEqual(
    logged(false, (source) => fails(source, ...waits, "no permission for 'a'", "no permission for 'b'")),
    [
      'error: no connection to MySQL came free within 8001 ms',
      "error: no permission for 'a'",
      'error: no connection to MySQL came free within 12 ms (and 1 more like it before)',
      "error: no permission for 'b'",
    ],
  )
})

test('what is told again says how often it was not told', (t) => {
  let now = 0
  t.mock.method(performance, 'now', () => now)
  assert.deepEqual(
    logged(false, (source) => {
      fails(source, 'away', 'away', 'away')
      now += 10_000
      fails(source, 'away')
    }),
    ['error: away', 'error: away (and 2 more like it before)'],
  )
})

test('a place behind a backend that goes down and comes back is told, and so is a listener that threw', () => {
  const place: Signals['destination.up'] = { backend: 'hooks', destination: 'a.example', worker: 'one' }
  assert.deepEqual(
    logged(false, (source) => {
      source.emit('destination.down', { ...place, error: new Error('no answer') })
      source.emit('destination.up', place)
      source.emit('listener.failed', { signal: 'event.published', error: new Error('no') })
    }),
    [
      'a.example of hooks is DOWN: no answer',
      'a.example of hooks is up again',
      'a listener of the signal event.published threw: no',
    ],
  )
})

test('for programs each signal is a line of the structured logs, and names no key, subject or data', () => {
  const terminal = new FakeTerminal('.')
  const stop = startWorkerLog(['shop'], screenOn(terminal), { json: true, verbose: false, passes: false })
  const columns = { id: '1', eventId: 'e', eventType: 'order.created', source: '/shop', subject: 'ada@example.org' }
  const record = new OutboxEvent({
    ...columns,
    partitionKey: 'ada@example.org',
    maxRetries: 3,
    publisherBackend: 'kafka',
  })
  const source = new SignalSource('shop')
  const told = {
    backend: 'kafka',
    worker: 'w',
    retryCount: 3,
    blocks: true,
    duration: 12.34,
    error: new Error('refused'),
  }
  source.emit('event.failed', { record, ...told } as never)
  stop()
  assert.ok(terminal.lines.every((line) => !line.includes('ada')))
  const [{ at, ...fields } = { at: '' }] = terminal.lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.match(String(at), /^\d{4}-\d\d-\d\dT/)
  assert.deepEqual(fields, {
    ...{
      event: 'broadcaster.event.failed',
      outbox: 'shop',
      backend: 'kafka',
      worker: 'w',
      retryCount: 3,
      blocks: true,
    },
    ...{ id: '1', eventId: 'e', eventType: 'order.created', source: '/shop', keyHash: keyHash('ada@example.org') },
    ...{ maxRetries: 3, durationMs: 12.3, errorType: 'Error', errorMessage: 'refused' },
  })
})
