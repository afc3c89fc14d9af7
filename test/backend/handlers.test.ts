import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Backend, SendResult } from '../../src/backend/backend.ts'
import { type HandlersOptions, handlers } from '../../src/backend/handlers/handlers.ts'
import { classifySendError, OutageError, PermanentError, RetryAfterError } from '../../src/backend/send-error.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import type { HandlerProgress } from '../../src/handlers/handler-progress.ts'
import { HandlerRegistry } from '../../src/handlers/handler-registry.ts'
import { sampleEvent, sampleEvents } from '../../src/testing/sample-events.ts'

const never = new AbortController().signal
const kindOf = (result: SendResult | undefined) => (result?.ok ? 'ok' : result && classifySendError(result.error).kind)
const progressOf = (result: SendResult | undefined) => (result?.progress as HandlerProgress | undefined)?.handlers ?? {}

async function sendOne(backend: Backend, event: OutgoingEvent = sampleEvent()): Promise<SendResult | undefined> {
  return (await backend.send([event], never))[0]
}

/** The event as the relay hands it over after a failed attempt. */
function again(event: OutgoingEvent, result: SendResult | undefined): OutgoingEvent {
  return sampleEvent({ id: event.id, retryCount: 1, progress: JSON.stringify(result?.progress) })
}

function made(run: Record<string, (event: OutgoingEvent) => unknown>, options: HandlersOptions = {}) {
  const registry = new HandlerRegistry()
  for (const [name, handler] of Object.entries(run)) registry.onAll(handler, { name })
  return handlers(registry, options)
}

describe('HandlerRegistry', () => {
  test('one type, several, patterns, all; in the order of registration', () => {
    const registry = new HandlerRegistry()
    const nothing = (): void => undefined
    registry
      .on('order.created', nothing, { name: 'one' })
      .on(['order.paid', 'order.created'], nothing, { name: 'several' })
      .on('order.*', nothing, { name: 'pattern' })
      .on(['invoice.*', 'order.created'], nothing, { name: 'both' })
      .onAll(nothing, { name: 'all' })
    const names = (type: string) => registry.handlersFor(type).map(({ name }) => name)
    assert.deepEqual(names('order.created'), ['one', 'several', 'pattern', 'both', 'all'])
    assert.deepEqual(names('order.paid'), ['several', 'pattern', 'all'])
    assert.deepEqual(names('invoice.sent'), ['both', 'all'])
    assert.deepEqual(names('order'), ['all'])
    assert.equal(registry.size, 5)
    assert.equal(registry.off('all'), true)
    assert.equal(registry.off('all'), false)
    assert.deepEqual(names('user.created'), [])
    assert.equal(registry.off(nothing), true)
    const some = new HandlerRegistry<Record<string, unknown>>()
    some.on('a', nothing, { name: 'a' }).on(['a', 'b'], nothing, { name: 'ab' }).on('b', nothing, { name: 'b' })
    some.clear('a')
    assert.deepEqual(
      some.handlersFor('b').map(({ name }) => name),
      ['ab', 'b'],
    )
    registry.onAll(nothing).clear()
    assert.equal(registry.size, 0)
  })

  test('names: given, of the function, or numbered; never twice', () => {
    const registry = new HandlerRegistry()
    registry.on('a', function sendMail() {})
    registry.on('a', () => undefined)
    registry.on('a', () => undefined)
    assert.deepEqual(
      registry.handlersFor('a').map(({ name }) => name),
      ['sendMail', 'a#1', 'a#2'],
    )
    assert.throws(() => registry.on('b', function sendMail() {}), { code: 'INVALID_OPTION', field: 'name' })
    assert.throws(() => registry.on('b', () => undefined, { name: '' }), { code: 'INVALID_OPTION' })
    assert.throws(() => registry.on([], () => undefined), { code: 'INVALID_OPTION' })
    assert.throws(() => registry.on('a', 'x' as never), { code: 'INVALID_OPTION' })
    assert.throws(() => registry.on('a.**', () => undefined), { code: 'INVALID_OPTION' })
  })

  test('a catalogue types the events', () => {
    const registry = new HandlerRegistry<{ 'order.created': { total: number }; 'user.created': { name: string } }>()
    registry.on('order.created', (event) => event.data.total.toFixed(2))
    registry.on('order.*', (event) => ('total' in event.data ? event.data.total : event.data.name))
    // @ts-expect-error no such type in the catalogue
    registry.on('order.creatd', () => undefined)
    // @ts-expect-error an order has no name
    registry.on('order.created', (event) => event.data.name)
    assert.equal(registry.size, 4)
  })
})

describe('handlers backend', () => {
  test('a failing handler does not stop the others; a retry runs only what has not succeeded', async () => {
    const calls: string[] = []
    let broken = true
    const backend = made({
      mail: () => calls.push('mail'),
      stock: () => {
        calls.push('stock')
        if (broken) throw new Error('no stock')
      },
      log: async () => calls.push('log'),
    })
    const event = sampleEvent()
    const first = await sendOne(backend, event)
    assert.equal(kindOf(first), 'failure')
    assert.match(String(first?.ok === false && first.error), /handler 'stock': no stock/)
    assert.deepEqual(calls.splice(0).toSorted(), ['log', 'mail', 'stock'])
    const results = progressOf(first)
    assert.equal(results['mail']?.ok, true)
    assert.deepEqual([results['stock']?.ok, results['stock']?.error], [false, 'no stock'])
    assert.ok((results['mail']?.ms ?? -1) >= 0)
    assert.ok(!Number.isNaN(Date.parse(results['mail']?.at ?? '')))

    broken = false
    const second = await sendOne(backend, again(event, first))
    assert.equal(kindOf(second), 'ok')
    assert.deepEqual(calls, ['stock'])
    assert.deepEqual(Object.keys(progressOf(second)).toSorted(), ['log', 'mail', 'stock'])
  })

  test('what several failures mean together', async () => {
    const fail = (error: unknown) => () => {
      throw error
    }
    const good = (): void => undefined
    const outage = fail(new OutageError('away', { retryAfter: 9 }))
    const permanent = fail(new PermanentError('never'))
    const later = fail(new RetryAfterError('later', { retryAfter: 5 }))
    const refused = fail(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }))
    const table = [
      [{ good }, { kind: 'ok' }],
      [{ plain: fail(new Error('x')) }, { kind: 'failure', retryAfter: 0 }],
      [{ nothing: fail(undefined) }, { kind: 'failure', retryAfter: 0 }],
      [{ refused }, { kind: 'outage', retryAfter: 0, destination: 'refused' }],
      [
        { refused, good },
        { kind: 'outage', retryAfter: 0, destination: 'refused' },
      ],
      [
        { refused, outage },
        { kind: 'outage', retryAfter: 9 },
      ],
      [
        { refused, later },
        { kind: 'failure', retryAfter: 5 },
      ],
      [{ outage }, { kind: 'outage', retryAfter: 9 }],
      [
        { outage, permanent },
        { kind: 'outage', retryAfter: 9 },
      ],
      [
        { outage, good },
        { kind: 'failure', retryAfter: 9 },
      ],
      [
        { outage, later },
        { kind: 'failure', retryAfter: 9 },
      ],
      [{ permanent }, { kind: 'permanent' }],
      [{ permanent, good }, { kind: 'permanent' }],
      [{ permanent, also: permanent }, { kind: 'permanent' }],
      [
        { permanent, later },
        { kind: 'failure', retryAfter: 5 },
      ],
    ] as const
    for (const [run, expected] of table) {
      const result = await sendOne(made(run))
      const actual = result?.ok ? { kind: 'ok' } : classifySendError(result?.error)
      assert.deepEqual(actual, expected, Object.keys(run).join())
    }
  })

  test('a network error of a handler is a failure where breakers are switched off', async () => {
    const registry = new HandlerRegistry()
    registry.onAll(() => Promise.reject(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })), { name: 'api' })
    const backend = handlers(registry, { breakers: false })
    assert.equal(kindOf(await sendOne(backend)), 'failure')
    assert.equal(backend.destination, undefined)
  })

  test('an outage after the others have succeeded costs one retry, then none', async () => {
    const calls: string[] = []
    const backend = made({
      mail: () => calls.push('mail'),
      api: () => {
        throw new OutageError('away')
      },
    })
    const event = sampleEvent()
    const first = await sendOne(backend, event)
    assert.equal(kindOf(first), 'failure')
    assert.equal(kindOf(await sendOne(backend, again(event, first))), 'outage')
    assert.deepEqual(calls, ['mail'])
  })

  test('a handler that takes too long fails, is told so, and does not stop the others', async () => {
    let told: unknown
    const registry = new HandlerRegistry()
    registry.onAll(
      (_event, { signal }) =>
        new Promise((resolve) => signal.addEventListener('abort', () => resolve((told = signal.reason)))),
      { name: 'slow' },
    )
    registry.onAll(() => undefined, { name: 'fast' })
    const backend = handlers(registry, { timeout: 30 })
    const result = await sendOne(backend)
    assert.equal(kindOf(result), 'failure')
    assert.match(progressOf(result)['slow']?.error ?? '', /took longer than 30 ms/)
    assert.equal(progressOf(result)['fast']?.ok, true)
    assert.match(String(told), /took longer/)
  })

  test('an abort costs no retry, even of a handler that does not heed it', async () => {
    const stop = new AbortController()
    const backend = made({
      deaf: () => {
        stop.abort()
        return new Promise(() => undefined)
      },
    })
    const results = await backend.send(sampleEvents(3, 1), stop.signal)
    assert.deepEqual(results.map(kindOf), ['not-attempted', 'not-attempted', 'not-attempted'])
  })

  test('at most `concurrency` events at once', async () => {
    let open = 0
    let most = 0
    const backend = made(
      {
        count: async () => {
          most = Math.max(most, ++open)
          await new Promise((resolve) => setImmediate(resolve))
          open--
        },
      },
      { concurrency: 3 },
    )
    await Promise.all([backend.send(sampleEvents(20), never), backend.send(sampleEvents(20), never)])
    assert.equal(most, 3)
  })

  test('no handler for the type: delivered; no handler at all: an outage, for a worker that was started without them', async () => {
    const registry = new HandlerRegistry()
    const backend = handlers(registry)
    assert.equal(kindOf(await sendOne(backend)), 'outage')
    assert.equal((await backend.healthCheck(never)).healthy, false)
    registry.on('other', () => assert.fail('not for this type'))
    assert.equal(kindOf(await sendOne(backend)), 'ok')
    assert.equal((await backend.healthCheck(never)).healthy, true)
  })

  test('progress of another shape counts as none', async () => {
    for (const progress of ['null', '[]', '"x"', '{"handlers":7}', '{"handlers":{"mail":1}}']) {
      let calls = 0
      const backend = made({ mail: () => calls++ })
      assert.equal(kindOf(await sendOne(backend, sampleEvent({ progress }))), 'ok')
      assert.equal(calls, 1, progress)
    }
  })
})

describe('handlers backend, transactional', () => {
  test('only then has it sendInTransaction, and handlers a tx', async () => {
    assert.equal(made({}).sendInTransaction, undefined)
    const seen: unknown[] = []
    const registry = new HandlerRegistry().onAll((_event, { tx }) => seen.push(tx), { name: 'x' })
    const tx = { a: 'transaction' }
    assert.equal(
      kindOf(await handlers(registry, { transactional: true }).sendInTransaction?.(sampleEvent(), tx, never)),
      'ok',
    )
    assert.deepEqual(seen, [tx])
  })

  test('all or nothing: after a failure the next is not called, and no success is remembered', async () => {
    const calls: string[] = []
    const backend = made(
      {
        first: () => calls.push('first'),
        second: () => {
          calls.push('second')
          throw new Error('no')
        },
        third: () => calls.push('third'),
      },
      { transactional: true },
    )
    const event = sampleEvent()
    const result = await backend.sendInTransaction?.(event, {}, never)
    assert.equal(kindOf(result), 'failure')
    assert.deepEqual(Object.keys(progressOf(result)), ['second'])
    await backend.sendInTransaction?.(again(event, result), {}, never)
    assert.deepEqual(calls, ['first', 'second', 'first', 'second'])
  })
})
