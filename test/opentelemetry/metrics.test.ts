import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as api from '@opentelemetry/api'
import {
  AggregationTemporality,
  type DataPoint,
  type Histogram,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { Broadcaster, Consumer, notDelivered, OutageError, PermanentError } from 'ts-broadcaster'
import { memoryBackend, memoryStore } from 'ts-broadcaster/memory'
import { openTelemetryMetrics } from 'ts-broadcaster/opentelemetry'
import { prometheus } from 'ts-broadcaster/prometheus'
import { memorySubscription } from '../../src/consumer/memory/memory-subscription.ts'
import { INSTRUMENTS } from '../../src/opentelemetry/instruments.ts'
import { sampleEvent } from '../../src/testing/sample-events.ts'
import { QUICK, recordingBackend } from '../relay/outbox.ts'

/** The API with an SDK of its own, whose metrics are collected when asked. */
function sdk() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
  const provider = new MeterProvider({ readers: [reader] })
  const collect = async (): Promise<ReadonlyMap<string, MetricData>> => {
    await provider.forceFlush()
    const [latest] = exporter.getMetrics().slice(-1)
    const scopes = latest?.scopeMetrics ?? []
    assert.deepEqual(
      scopes.map(({ scope }) => scope.name),
      ['ts-broadcaster'],
    )
    return new Map(scopes.flatMap(({ metrics }) => metrics).map((metric) => [metric.descriptor.name, metric]))
  }
  return { api: { ...api, metrics: provider }, collect, close: () => provider.shutdown() }
}

/** Attributes and value of each point; of a histogram how many were recorded. */
const pointsOf = (metric: MetricData | undefined): readonly (readonly [attributes: object, value: number])[] =>
  (metric?.dataPoints ?? ([] as readonly DataPoint<number | Histogram>[])).map(({ attributes, value }) => [
    attributes,
    typeof value === 'number' ? value : value.count,
  ])

const EVENT = { type: 'order.created', source: '/orders', data: 1 }
const SEND = {
  'messaging.operation.type': 'send',
  'messaging.operation.name': 'send',
  'messaging.system': 'kafka',
  'messaging.system.name': 'kafka',
  'messaging.destination.name': 'orders',
  'broadcaster.outbox': 'shop',
  'broadcaster.backend': 'main',
}
const PROCESS = {
  'messaging.operation.type': 'process',
  'messaging.operation.name': 'handle',
  'messaging.system': 'memory',
  'messaging.system.name': 'memory',
  'messaging.consumer.group.name': 'billing',
}
const ADVISED = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

describe('metrics of OpenTelemetry', () => {
  test('what is sent, by the conventions: units, attributes and buckets, with the errors', async () => {
    const { api: own, collect, close } = sdk()
    const backend = { ...recordingBackend(), messaging: { system: 'kafka', destination: 'orders' } }
    backend.send = async (events) =>
      events.map(({ data }) => {
        if (data === 2) return notDelivered(new PermanentError('refused for good'))
        return { ok: true }
      })
    const store = memoryStore({ lanes: 1 })
    await using broadcaster = new Broadcaster({
      name: 'shop',
      store,
      backends: { main: backend },
      logger: false,
      worker: QUICK,
    })
    using _ = openTelemetryMetrics(own, broadcaster)
    for (const data of [1, 2, 3]) {
      await broadcaster.transaction((tx) => broadcaster.publish(tx, { ...EVENT, data }))
    }
    assert.equal(await broadcaster.processPendingEvents(), 2)
    const metrics = await collect()
    const sent = metrics.get('messaging.client.sent.messages')
    assert.equal(sent?.descriptor.unit, '{message}')
    assert.deepEqual(pointsOf(sent), [
      [SEND, 2],
      [{ ...SEND, 'error.type': 'SEND_PERMANENT' }, 1],
    ])
    const operation = metrics.get('messaging.client.operation.duration')
    assert.equal(operation?.descriptor.unit, 's')
    assert.deepEqual(pointsOf(operation), [[{ ...SEND, 'error.type': 'SEND_PERMANENT' }, 1]])
    const [histogram] = (operation?.dataPoints ?? []) as readonly DataPoint<Histogram>[]
    assert.deepEqual(histogram?.value.buckets.boundaries, ADVISED)
    assert.ok((histogram?.value.sum ?? 99) < 5, 'in seconds')
    await close()
  })

  test('what is received, by the conventions: a message counts once, each attempt has its time', async () => {
    const { api: own, collect, close } = sdk()
    using _ = openTelemetryMetrics(own, [])
    const queue = memorySubscription()
    const subscription = Object.assign(Object.create(queue) as typeof queue, { messaging: { system: 'memory' } })
    let failures = 1
    const consumer = new Consumer({
      name: 'billing',
      subscription,
      store: memoryStore(),
      retry: { base: 1, jitter: 'none' },
      handlers: {
        'order.*': (event) => {
          if (event.data === 2) throw new PermanentError('never')
          if (failures-- > 0) throw new OutageError('the mail server is away')
        },
      },
      logger: false,
    })
    await consumer.start()
    for (const data of [1, 2]) {
      queue.deliver(sampleEvent({ data: String(data) }).toEncodable())
      await queue.settled()
    }
    await consumer.stop()
    const metrics = await collect()
    const consumed = metrics.get('messaging.client.consumed.messages')
    assert.equal(consumed?.descriptor.unit, '{message}')
    assert.deepEqual(pointsOf(consumed), [[PROCESS, 2]])
    const processing = metrics.get('messaging.process.duration')
    assert.equal(processing?.descriptor.unit, 's')
    assert.deepEqual(pointsOf(processing), [
      [{ ...PROCESS, 'error.type': 'SEND_OUTAGE' }, 1],
      [PROCESS, 1],
      [{ ...PROCESS, 'error.type': 'SEND_PERMANENT' }, 1],
    ])
    const [histogram] = (processing?.dataPoints ?? []) as readonly DataPoint<Histogram>[]
    assert.deepEqual(histogram?.value.buckets.boundaries, ADVISED)
    await close()
  })

  test('ours have the values of Prometheus, from the same counts and the same query', async () => {
    const { api: own, collect, close } = sdk()
    const store = memoryStore({ lanes: 1 })
    let looked = 0
    const look = () => {
      looked++
      return store.admin.look()
    }
    const outbox = { name: 'shop', store: { admin: { look } } }
    await using broadcaster = new Broadcaster({
      name: 'shop',
      store,
      backends: { main: memoryBackend() },
      logger: false,
      worker: QUICK,
    })
    const inPrometheus = prometheus(broadcaster)
    const metered = openTelemetryMetrics(own, outbox, { maxAge: 60_000 })
    for (const data of [1, 2, 3]) {
      await broadcaster.transaction((tx) => broadcaster.publish(tx, { ...EVENT, data }))
    }
    await broadcaster.processPendingEvents()
    await broadcaster.transaction((tx) => broadcaster.publish(tx, EVENT))
    const text = await inPrometheus.metrics()
    await collect()
    const metrics = await collect()
    assert.equal(looked, 1, 'two collections, one query')
    // One at least of each kind, with its value.
    const at = { 'broadcaster.outbox': 'shop', 'broadcaster.backend': 'main' }
    assert.deepEqual(pointsOf(metrics.get('broadcaster.events.published')), [[at, 3]])
    assert.deepEqual(pointsOf(metrics.get('broadcaster.events.waiting')), [[at, 1]])
    assert.deepEqual(pointsOf(metrics.get('broadcaster.store.up')), [[{ 'broadcaster.outbox': 'shop' }, 1]])
    assert.deepEqual(pointsOf(metrics.get('broadcaster.delivery.duration')), [[at, 3]])
    // And all that Prometheus has, by the table.
    for (const [name, { name: instrument, unit }] of Object.entries(INSTRUMENTS)) {
      if (!text.includes(`# TYPE ${name} `)) continue
      const metric = metrics.get(instrument)
      assert.ok(metric && metric.dataPoints.length > 0, instrument)
      assert.equal(metric.descriptor.unit, unit, instrument)
    }
    metered.close()
    inPrometheus.close()
    await broadcaster.processPendingEvents()
    assert.deepEqual(pointsOf((await collect()).get('broadcaster.delivery.duration')), [[at, 3]], 'not after close')
    await close()
  })

  test('a database that does not answer leaves its gauges out, and the collection ends', async () => {
    const { api: own, collect, close } = sdk()
    const outbox = { name: 'shop', store: { admin: { look: () => new Promise<never>(() => undefined) } } }
    using _ = openTelemetryMetrics(own, outbox, { timeout: 20 })
    const metrics = await collect()
    assert.deepEqual(pointsOf(metrics.get('broadcaster.store.up')), [[{ 'broadcaster.outbox': 'shop' }, 0]])
    assert.deepEqual(pointsOf(metrics.get('broadcaster.events.waiting')), [])
    await close()
  })

  test('without an SDK nothing is recorded and nothing listened to', async () => {
    const store = memoryStore({ lanes: 1 })
    const look = () => Promise.reject(new Error('the database was asked'))
    const metered = openTelemetryMetrics(api, { name: 'shop', store: { admin: { look } } })
    await using broadcaster = new Broadcaster({
      name: 'shop',
      store,
      backends: { main: memoryBackend() },
      logger: false,
    })
    await broadcaster.transaction((tx) => broadcaster.publish(tx, EVENT))
    const { channel } = await import('node:diagnostics_channel')
    assert.equal(channel('broadcaster:batch.sent').hasSubscribers, false)
    assert.equal(await broadcaster.processPendingEvents(), 1)
    metered.close()
  })

  test('what is not the API, or no Broadcaster, is refused', () => {
    for (const wrong of [undefined, {}, { metrics: api.metrics }, api.metrics]) {
      assert.throws(() => openTelemetryMetrics(wrong as unknown as typeof api, []), {
        code: 'INVALID_OPTION',
        field: 'api',
      })
    }
    assert.throws(() => openTelemetryMetrics(api, {} as never), { code: 'INVALID_OPTION', field: 'outboxes' })
    assert.throws(() => openTelemetryMetrics(api, [], { maxage: 1 } as never), /maxAge/)
  })
})
