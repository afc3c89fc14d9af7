import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { describe, test } from 'node:test'
import { pino } from 'pino'
import { Broadcaster, Consumer, PermanentError, structuredLogger } from 'ts-broadcaster'
import { memoryStore } from 'ts-broadcaster/memory'
import { memorySubscription } from '../../src/consumer/memory/memory-subscription.ts'
import { LOG_EVENTS } from '../../src/telemetry/log-events.ts'
import { SIGNAL_NAMES, type SignalName, SignalSource } from '../../src/telemetry/signals.ts'
import type { StructuredLoggerOptions } from '../../src/telemetry/structured-logger.ts'
import { sampleEvent } from '../../src/testing/sample-events.ts'
import { root } from '../project/source-files.ts'
import { QUICK, recordingBackend } from '../relay/outbox.ts'
import { SAMPLES } from './signal-samples.ts'

type Line = Record<string, unknown>

/** A real pino whose lines are kept as they are written. */
function recording(options?: StructuredLoggerOptions) {
  const lines: Line[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)) as Line)
      done()
    },
  })
  const logger = structuredLogger(pino({ level: 'trace', base: null, timestamp: false }, stream), options)
  return { lines, logger }
}

const LEVELS: Readonly<Record<string, number>> = { debug: 20, info: 30, warn: 40, error: 50 }
const ALL = { events: true, batches: true } as const

function linesOf<Name extends SignalName>(name: Name, options?: StructuredLoggerOptions): readonly Line[] {
  const { lines, logger } = recording(options)
  new SignalSource('shop', logger).emit(name, SAMPLES[name])
  return lines
}

test('docs/logs.md lists each line: its name, level, when it is written, and its fields', () => {
  const documented = readFileSync(join(root, 'docs/logs.md'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `broadcaster.'))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim().replaceAll('`', '')))
  const real = SIGNAL_NAMES.flatMap((name) =>
    linesOf(name, ALL).map(({ level, msg, event, ...fields }) => [
      event,
      Object.keys(LEVELS).find((one) => LEVELS[one] === level),
      LOG_EVENTS[name]?.when ?? 'always',
      Object.keys(fields).join(', '),
    ]),
  )
  assert.deepEqual(documented, real)
  assert.ok(real.length > 20)
})

test('each line has one name, which is that of its signal, and a text', () => {
  for (const name of SIGNAL_NAMES) {
    for (const { event, msg } of linesOf(name, ALL)) {
      assert.equal(event, `broadcaster.${name}`)
      assert.match(String(msg), /^\w.*\w/)
    }
  }
})

test('nothing is written for a batch or a single event unless asked for', () => {
  const silent = Object.entries(LOG_EVENTS).filter(([, { when }]) => when !== undefined)
  assert.ok(silent.length >= 8)
  for (const [name, { when }] of silent) {
    const signal = name as SignalName
    assert.deepEqual(linesOf(signal), [], name)
    assert.equal(new SignalSource('shop', recording().logger).has(signal), false, `${name} costs nothing`)
    assert.equal(linesOf(signal, { [String(when)]: true }).length, 1, name)
  }
})

test('keys are hashed unless allowed, and no data is ever written', () => {
  const [hashed] = linesOf('event.failed')
  const [plain] = linesOf('event.failed', { keys: true })
  assert.match(String(hashed?.['keyHash']), /^[0-9a-f]{8}$/)
  assert.ok(!JSON.stringify(hashed).includes('order-7'))
  assert.deepEqual([plain?.['key'], plain?.['keyHash']], ['order-7', undefined])
  for (const name of SIGNAL_NAMES) {
    for (const line of linesOf(name, { ...ALL, keys: true })) assert.ok(!('data' in line), name)
  }
})

test('a time has its unit in its name, and is a number', () => {
  const [line] = linesOf('delivery.retried')
  assert.deepEqual([line?.['delayMs'], line?.['durationMs']], [5, 5])
  const times = SIGNAL_NAMES.flatMap((name) => linesOf(name, ALL)).flatMap(Object.entries)
  for (const [field, value] of times) {
    if (/^(delay|duration|oldest)/.test(field)) assert.match(field, /Ms$/)
    if (field.endsWith('Ms')) assert.equal(typeof value, 'number', field)
  }
})

test('trouble that repeats has one line, which says for how many it stands', () => {
  const { lines, logger } = recording()
  const source = new SignalSource('shop', logger)
  for (let n = 0; n < 5; n++) source.emit('worker.error', { worker: 'w', error: new Error(`no ${n}`) })
  assert.deepEqual([lines.length, lines[0]?.['errorMessage'], lines[0]?.['heldBack']], [1, 'no 0', undefined])
  source.flush()
  assert.deepEqual([lines.length, lines[1]?.['errorMessage'], lines[1]?.['heldBack']], [2, 'no 4', 3])
})

describe('in use', () => {
  test('a Broadcaster: what fails for good is an error with its ids, and what is published is not told', async () => {
    const { lines, logger } = recording()
    const backend = recordingBackend()
    backend.behaviour = ({ data }) =>
      data === 2 ? { ok: false, error: new PermanentError('refused\nfor good') } : { ok: true }
    await using broadcaster = new Broadcaster({
      name: 'shop',
      store: memoryStore({ lanes: 1 }),
      backends: { main: backend },
      logger,
      worker: QUICK,
    })
    const failed = await broadcaster.transaction(async (tx) => {
      await broadcaster.publish(tx, { type: 'order.created', source: '/orders', data: 1 })
      return broadcaster.publish(tx, { type: 'order.created', source: '/orders', data: 2, partitionKey: 'order-7' })
    })
    await broadcaster.processPendingEvents()
    const told = lines.filter(({ level }) => Number(level) >= 40)
    assert.equal(told.length, 1)
    const [{ event, level, outbox, backend: at, id, eventType, errorType, msg, keyHash }] = told as [Line]
    assert.deepEqual(
      { event, level, outbox, at, id, eventType, errorType },
      {
        event: 'broadcaster.event.failed',
        level: 50,
        outbox: 'shop',
        at: 'main',
        id: failed.id,
        eventType: 'order.created',
        errorType: 'SEND_PERMANENT',
      },
    )
    assert.match(String(keyHash), /^[0-9a-f]{8}$/)
    assert.ok(!String(msg).includes('\n'))
    assert.ok(
      lines.every((line) => !['broadcaster.event.published', 'broadcaster.batch.sent'].includes(String(line['event']))),
    )
    assert.ok(lines.some((line) => line['event'] === 'broadcaster.lane.gained' && line['level'] === 30))
  })

  test('a Consumer: it names itself and no outbox', async () => {
    const { lines, logger } = recording({ events: true })
    const subscription = memorySubscription()
    const handlers = { '*': () => undefined }
    const consumer = new Consumer({ name: 'billing', subscription, inbox: false, handlers, logger })
    await consumer.start()
    subscription.deliver(sampleEvent().toEncodable())
    await subscription.settled()
    await consumer.stop()
    assert.deepEqual(
      lines.map(({ event, consumer: name, outbox }) => [event, name, outbox]),
      [
        ['broadcaster.consumer.started', 'billing', undefined],
        ['broadcaster.delivery.handled', 'billing', undefined],
        ['broadcaster.consumer.stopped', 'billing', undefined],
      ],
    )
  })

  test('a logger that throws does no harm', async () => {
    const fail = () => {
      throw new Error('the disk is full')
    }
    const logger = structuredLogger({ debug: fail, info: fail, warn: fail, error: fail }, ALL)
    await using broadcaster = new Broadcaster({
      store: memoryStore({ lanes: 1 }),
      backends: { main: recordingBackend() },
      logger,
      worker: QUICK,
    })
    await broadcaster.transaction((tx) => broadcaster.publish(tx, { type: 'a', source: '/s' }))
    assert.equal(await broadcaster.processPendingEvents(), 1)
  })
})

test('what is no logger of this shape is refused', () => {
  for (const wrong of [undefined, null, {}, { warn: () => 0, error: () => 0 }]) {
    assert.throws(() => structuredLogger(wrong as never), { code: 'INVALID_OPTION', field: 'logger' })
  }
  assert.throws(() => structuredLogger(pino(), { key: true } as never), /keys/)
})
