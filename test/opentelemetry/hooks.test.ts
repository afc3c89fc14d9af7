import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as api from '@opentelemetry/api'
import { Broadcaster, OutageError, PermanentError } from 'ts-broadcaster'
import { HandlerRegistry, handlers } from 'ts-broadcaster/handlers'
import { memoryBackend, memoryStore } from 'ts-broadcaster/memory'
import { openTelemetry } from 'ts-broadcaster/opentelemetry'
import { attributesOf, spanContextOf } from '../../src/opentelemetry/trace-context.ts'
import { QUICK, recordingBackend } from '../relay/outbox.ts'
import { allSpans, named, registerSdk, request, spansOf } from './tracing.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'
const EVENT = { type: 'order.created', source: '/orders', data: 1 }

function outbox(backend = recordingBackend()) {
  const store = memoryStore({ lanes: 4 })
  const hooks = openTelemetry(api)
  return new Broadcaster({ store, backends: { main: backend }, hooks, logger: false, worker: QUICK })
}

describe('without an SDK', () => {
  test('an event gets no attribute, and no span is made', async () => {
    let asked = 0
    const watched = { ...api, trace: Object.create(api.trace) as typeof api.trace }
    const never = () => {
      asked++
      throw new Error('a span was asked for')
    }
    watched.trace.getTracer = () => ({ startSpan: never, startActiveSpan: never })
    const registry = new HandlerRegistry()
    const seen: unknown[] = []
    registry.on('*', (event) => void seen.push(event.data), { name: 'all' })
    const hooks = openTelemetry(watched)
    const local = handlers(registry, { hooks })
    await using broadcaster = new Broadcaster({ store: memoryStore(), backends: { local }, hooks, logger: false })
    const event = await broadcaster.transaction((tx) => broadcaster.publish(tx, EVENT))
    assert.deepEqual(event.extensions, {})
    assert.equal(await broadcaster.processPendingEvents(), 1)
    assert.deepEqual([seen, asked], [[1], 0])
  })
})

describe('with an SDK', () => {
  test('a batch is one span of a trace of its own, with a link to each event', async () => {
    registerSdk()
    const backend = recordingBackend()
    backend.behaviour = ({ data }) =>
      data === 2 ? { ok: false, error: new PermanentError('refused for good') } : { ok: true }
    await using broadcaster = outbox(backend)
    const publish = () => broadcaster.transaction((tx) => broadcaster.publish(tx, EVENT))
    const traces = [await request('one', publish), await request('two', publish)]
    await broadcaster.transaction((tx) => broadcaster.publish(tx, { ...EVENT, data: 2 }))
    // Started within a span: it is over when events are sent.
    const starting = await request('start', () => broadcaster.processPendingEvents())
    assert.deepEqual(named(spansOf(starting), 'send'), [])
    const [batch, ...more] = allSpans().filter(({ attributes }) => attributes['messaging.batch.message_count'] === 3)
    assert.ok(batch !== undefined && more.length === 0)
    assert.equal(batch.parentSpanContext, undefined)
    const linked = batch.links.map(({ context }) => context.traceId)
    assert.equal(linked.length, 3)
    for (const traceId of traces) assert.ok(linked.includes(traceId))
    assert.equal(batch.attributes['messaging.message.id'], undefined)
    assert.equal(batch.attributes['broadcaster.failed_count'], 1)
    assert.equal(batch.attributes['error.type'], 'SEND_PERMANENT')
    assert.equal(batch.status.code, api.SpanStatusCode.ERROR)
  })

  test('handlers of the relay have spans of their own, in a transaction too; one that throws fails its span', async () => {
    registerSdk()
    for (const transactional of [false, true]) {
      const registry = new HandlerRegistry()
      let failures = 1
      const run = () => {
        if (failures-- > 0) throw new OutageError('the mail server is away')
      }
      registry.on('order.*', run, { name: 'receipts' })
      const hooks = openTelemetry(api)
      const local = handlers(registry, { hooks, transactional })
      const options = {
        store: memoryStore({ lanes: 2 }),
        backends: { local },
        hooks,
        logger: false,
        worker: QUICK,
      } as const
      await using broadcaster = new Broadcaster(options)
      const trace = await request('POST', () => broadcaster.transaction((tx) => broadcaster.publish(tx, EVENT)))
      for (let rounds = 0; named(spansOf(trace), 'process').length < 2; rounds++) {
        assert.ok(rounds < 1_000)
        await broadcaster.processPendingEvents()
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      const [failed, handled] = named(spansOf(trace), 'process receipts')
      assert.equal(failed?.attributes['messaging.system'], 'handlers')
      assert.equal(failed?.attributes['messaging.consumer.group.name'], 'receipts')
      assert.equal(failed?.status.code, api.SpanStatusCode.ERROR)
      assert.equal(failed?.events[0]?.name, 'exception')
      assert.equal(handled?.status.code, api.SpanStatusCode.UNSET)
    }
  })

  test('an event that has a trace of its own keeps it, and what it has may be anything', async () => {
    registerSdk()
    const backend = memoryBackend()
    const store = memoryStore()
    const hooks = openTelemetry(api)
    await using broadcaster = new Broadcaster({ store, backends: { main: backend }, hooks, logger: false })
    const own = `00-${TRACE}-${SPAN}-01`
    const created = named(allSpans(), 'create').length
    for (const traceparent of [own, 'nonsense', `00-${'0'.repeat(32)}-${SPAN}-01`]) {
      const event = await broadcaster.transaction((tx) =>
        broadcaster.publish(tx, { ...EVENT, extensions: { traceparent, tracestate: 'a=b' } }),
      )
      assert.deepEqual(event.extensions, { traceparent, tracestate: 'a=b' })
      assert.equal(await broadcaster.processPendingEvents(), 1)
    }
    assert.equal(named(allSpans(), 'create').length, created)
    const [sent, ...more] = named(spansOf(TRACE), 'send')
    assert.equal(more.length, 0)
    assert.equal(sent?.parentSpanContext?.spanId, SPAN)
    assert.equal(sent?.parentSpanContext?.traceState?.serialize(), 'a=b')
  })

  test('publishSync and events.create, too', async () => {
    registerSdk()
    await using broadcaster = outbox()
    const traceId = await request('POST', async () => {
      const events = [
        await broadcaster.events.create(EVENT),
        await broadcaster.transaction(async (tx) => broadcaster.publishSync(tx, { ...EVENT, type: 'order.paid' })),
      ]
      for (const { extensions } of events) {
        assert.match(String(extensions['traceparent']), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
      }
    })
    assert.deepEqual(
      named(spansOf(traceId), 'create').map(({ name, attributes }) => [name, attributes['messaging.system']]),
      [
        ['create order.created', 'ts-broadcaster'],
        ['create order.paid', 'ts-broadcaster'],
      ],
    )
  })
})

describe('traceparent and tracestate', () => {
  test('are written as W3C Trace Context has them', () => {
    const traceState = api.createTraceState('vendor=1,other=2')
    assert.deepEqual(attributesOf({ traceId: TRACE, spanId: SPAN, traceFlags: 0 }), {
      traceparent: `00-${TRACE}-${SPAN}-00`,
    })
    assert.deepEqual(attributesOf({ traceId: TRACE, spanId: SPAN, traceFlags: 1, traceState }), {
      traceparent: `00-${TRACE}-${SPAN}-01`,
      tracestate: 'vendor=1,other=2',
    })
  })

  for (const [traceparent, isRead] of [
    [`00-${TRACE}-${SPAN}-01`, true],
    [` 00-${TRACE}-${SPAN}-01 `, true],
    [`01-${TRACE}-${SPAN}-01-more`, true],
    [`00-${TRACE}-${SPAN}-01-more`, false],
    [`ff-${TRACE}-${SPAN}-01`, false],
    [`00-${TRACE.toUpperCase()}-${SPAN}-01`, false],
    [`00-${'0'.repeat(32)}-${SPAN}-01`, false],
    [`00-${TRACE}-${'0'.repeat(16)}-01`, false],
    [`00-${TRACE}-${SPAN}`, false],
    ['', false],
    [7, false],
    [undefined, false],
  ] as const) {
    test(`${traceparent} is ${isRead ? 'read' : 'not read'}`, () => {
      const context = spanContextOf(api, { traceparent })
      assert.equal(context?.traceId, isRead ? TRACE : undefined)
      assert.equal(context?.isRemote, isRead ? true : undefined)
    })
  }
})

test('what is not the API is refused', () => {
  for (const wrong of [undefined, {}, { trace: api.trace }, api.trace]) {
    assert.throws(() => openTelemetry(wrong as unknown as typeof api), { code: 'INVALID_OPTION', field: 'api' })
  }
})
