import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { PermanentError } from '../../src/backend/send-error.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { Consumer } from '../../src/consumer/consumer.ts'
import { memorySubscription } from '../../src/consumer/memory/memory-subscription.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { SignalSource } from '../../src/telemetry/signals.ts'

function recordingLogger() {
  const lines: string[] = []
  const add = (line: string): void => void lines.push(line.replace('broadcaster: ', ''))
  return { lines, warn: add, error: add }
}

/** The same trouble, `times` times. */
function fails(source: SignalSource, times: number): void {
  for (let n = 1; n <= times; n++) source.emit('worker.error', { worker: 'one', error: new Error(`no ${n}`) })
}

test('what the log held back is told when the worker or the consumer stops', () => {
  for (const end of ['worker.stopped', 'consumer.stopped'] as const) {
    const logger = recordingLogger()
    const source = new SignalSource('shop', logger)
    fails(source, 4)
    assert.deepEqual(logger.lines, ['worker one: no 1'])
    source.emit(end, { worker: 'one', consumer: 'one' })
    assert.deepEqual(logger.lines, ['worker one: no 1', 'worker one: no 4 (and 2 more like it before)'])
    source.emit(end, { worker: 'one', consumer: 'one' })
    assert.equal(logger.lines.length, 2, 'once')
  }
})

test('and after ten seconds, though nothing comes any more', (t) => {
  let now = 0
  t.mock.method(performance, 'now', () => now)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const logger = recordingLogger()
  fails(new SignalSource('shop', logger), 2)
  now = 9_999
  t.mock.timers.tick(9_999)
  assert.equal(logger.lines.length, 1)
  now = 10_000
  t.mock.timers.tick(1)
  assert.deepEqual(logger.lines, ['worker one: no 1', 'worker one: no 2'])
})

test('of a thousand topics at once none is forgotten with what it held back', () => {
  const logger = recordingLogger()
  const source = new SignalSource('shop', logger)
  const down = (backend: string): void => source.emit('backend.up', { backend, worker: 'one' })
  for (const backend of ['first', 'first', 'first']) down(backend)
  for (let n = 0; n < 1_000; n++) down(`b${n}`)
  assert.ok(logger.lines.includes('backend first is up again (and 1 more like it before)'))
})

test('each event that a worker gives up has its line', async () => {
  const logger = recordingLogger()
  const answer = { ok: false as const, error: new PermanentError('no stock') }
  const backend = { ...memoryBackend(), send: async (events: readonly unknown[]) => events.map(() => answer) }
  const broadcaster = new Broadcaster({ store: memoryStore(), backends: { shop: backend }, logger })
  const ids = Array.from({ length: 9 }, (_, n) => `order-${n}`)
  for (const id of ids) await broadcaster.events.create({ type: 'order.created', source: '/s', id })
  await broadcaster.processPendingEvents()
  await broadcaster.close()
  for (const id of ids)
    assert.ok(
      logger.lines.some((line) => line.startsWith(`order.created ${id} FAILED for good`)),
      id,
    )
})

test('each event that a consumer gives up has its line, and of a flood the number', async () => {
  const logger = recordingLogger()
  const subscription = memorySubscription()
  const consumer = new Consumer({
    name: 'c',
    subscription,
    inbox: false,
    handlers: { '*': () => Promise.reject(new PermanentError('no stock')) },
    logger,
  })
  await consumer.start()
  for (let n = 1; n <= 250; n++) {
    subscription.deliver({ specversion: '1.0', id: `order-${n}`, source: '/s', type: 'order.created' })
  }
  await subscription.settled()
  await consumer.stop()
  const given = logger.lines.filter((line) => line.startsWith('consumer c GAVE UP'))
  assert.equal(given.length, 101)
  assert.match(given.at(-1) ?? '', / \(and 149 more like it before\)$/)
})

test('a drain that nothing follows tells what it held back', async () => {
  const logger = recordingLogger()
  const answer = { ok: false as const, error: new Error('not yet') }
  const backend = { ...memoryBackend(), send: async (events: readonly unknown[]) => events.map(() => answer) }
  const broadcaster = new Broadcaster({ store: memoryStore(), backends: { shop: backend }, logger })
  for (let n = 0; n < 3; n++) await broadcaster.events.create({ type: 'order.created', source: '/s', id: `order-${n}` })
  await broadcaster.processPendingEvents()
  assert.equal(logger.lines.length, 2, String(logger.lines))
  assert.match(logger.lines[1] ?? '', /failed at shop, attempt 1 .* \(and 1 more like it before\)$/)
  await broadcaster.close()
})
