import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import * as api from '@opentelemetry/api'
import { Redis } from 'ioredis'
import { type Backend, Broadcaster, Consumer, type Handler, notDelivered, type Subscription } from 'ts-broadcaster'
import { kafka, kafkaSubscription } from 'ts-broadcaster/kafka'
import { memoryStore } from 'ts-broadcaster/memory'
import { mqtt, mqttSubscription } from 'ts-broadcaster/mqtt'
import { natsJetStream, natsJetStreamSubscription } from 'ts-broadcaster/nats'
import { openTelemetry } from 'ts-broadcaster/opentelemetry'
import { redisStreams, redisStreamsSubscription } from 'ts-broadcaster/redis-streams'
import { toNodeListener, webhook, webhookReceiver } from 'ts-broadcaster/webhook'
import { createTopic, deleteTopics } from '../backend/kafka-topic.ts'
import { withManager } from '../backend/nats-stream.ts'
import { RabbitMqConsumingPlace } from '../consumer/rabbitmq-consuming-place.ts'
import { QUICK } from '../relay/outbox.ts'
import { type ServerName, servers, skipWithout } from '../support/servers.ts'
import { named, registerSdk, request, spansOf, until } from './tracing.ts'

registerSdk()

/** A way to a broker and back. */
interface Way {
  readonly backend: Backend
  /** Undefined: what is sent is handled as it comes. */
  readonly subscription?: Subscription
  readonly destination: string | undefined
  close(): Promise<unknown>
}

interface Kind {
  readonly system: string
  readonly needs: ServerName | undefined
  open(handler: Handler): Promise<Way>
}

const unique = (): string => `trace${randomBytes(5).toString('hex')}`
const hooks = openTelemetry(api)

const KINDS: readonly Kind[] = [
  {
    system: 'redis-streams',
    needs: 'redis',
    async open() {
      const url = servers.redis()?.url ?? ''
      const stream = unique()
      return {
        backend: redisStreams({ url, stream }),
        subscription: redisStreamsSubscription({ url, stream }),
        destination: stream,
        async close() {
          const admin = new Redis(url)
          await admin.del(stream)
          await admin.quit()
        },
      }
    },
  },
  {
    system: 'kafka',
    needs: 'kafka',
    async open() {
      const bootstrapServers = new URL(servers.kafka()?.url ?? '').host
      const topic = unique()
      await createTopic(bootstrapServers, topic, 1)
      return {
        backend: kafka({ bootstrapServers, topic }),
        subscription: kafkaSubscription({ bootstrapServers, topics: topic, group: topic }),
        destination: topic,
        close: () => deleteTopics(bootstrapServers, [topic]),
      }
    },
  },
  {
    system: 'nats',
    needs: 'nats',
    async open() {
      const url = servers.nats()?.url ?? ''
      const stream = unique()
      const subject = `${stream}.events`
      const backend = natsJetStream({ url, stream: { name: stream, create: true, subjects: [subject] }, subject })
      await backend.connect?.(AbortSignal.timeout(10_000))
      return {
        backend,
        subscription: natsJetStreamSubscription({ url, stream }),
        destination: stream,
        close: () => withManager(url, (manager) => manager.streams.delete(stream)),
      }
    },
  },
  {
    system: 'rabbitmq',
    needs: 'rabbitmq',
    async open() {
      const place = await RabbitMqConsumingPlace.make()
      return {
        backend: place.backend,
        subscription: place.subscribe(),
        destination: undefined,
        close: () => place.remove(),
      }
    },
  },
  {
    system: 'mqtt',
    needs: 'mosquitto',
    async open() {
      const url = servers.mosquitto()?.url ?? ''
      const topic = `${unique()}/events`
      return {
        backend: mqtt({ url, topic }),
        subscription: mqttSubscription({ url, topics: topic, clientId: unique() }),
        destination: topic,
        close: async () => undefined,
      }
    },
  },
  {
    system: 'webhook',
    needs: undefined,
    async open(handler) {
      const receive = webhookReceiver({
        name: 'billing',
        keys: false,
        store: memoryStore(),
        handlers: { 'order.*': handler },
        hooks,
      })
      const server = createServer(toNodeListener(receive)).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      return {
        backend: webhook({ url: `http://127.0.0.1:${port}/`, keys: false, allowPrivateNetworks: true }),
        destination: undefined,
        async close() {
          server.close()
          server.closeAllConnections()
        },
      }
    },
  },
]

describe('one trace from the request to the handler, through a retry', () => {
  for (const { system, needs, open } of KINDS) {
    test(system, { skip: needs ? skipWithout(needs) : false, timeout: 120_000 }, async () => {
      const current: (api.SpanContext | undefined)[] = []
      const handler: Handler = () => void current.push(api.trace.getSpanContext(api.context.active()))
      const way = await open(handler)
      const { subscription } = way
      let refusals = 1
      const backend: Backend = {
        ...way.backend,
        send: (events, signal, context) =>
          refusals-- > 0
            ? Promise.resolve(events.map(() => notDelivered(new Error('not yet'))))
            : way.backend.send(events, signal, context),
      }
      const store = memoryStore({ lanes: 4 })
      const broadcaster = new Broadcaster({ store, backends: { main: backend }, hooks, logger: false, worker: QUICK })
      const consumer =
        subscription &&
        new Consumer({
          name: 'billing',
          subscription,
          store: memoryStore(),
          handlers: { 'order.*': handler },
          hooks,
          logger: false,
        })
      try {
        await consumer?.start()
        await broadcaster.worker().start()
        const traceId = await request('POST /orders', () =>
          broadcaster.transaction((tx) =>
            broadcaster.publish(tx, { type: 'order.created', source: '/orders', subject: '7', data: { secret: 'x' } }),
          ),
        )
        await until(() => spansOf(traceId).length === 5, 'the fifth span')
        const spans = spansOf(traceId)
        assert.deepEqual(spans.map(({ name }) => name.split(' ')[0]).toSorted(), [
          'POST',
          'create',
          'process',
          'send',
          'send',
        ])
        const [server] = named(spans, 'POST')
        const [create] = named(spans, 'create')
        const [process] = named(spans, 'process')
        const [failed, sent] = named(spans, 'send')
        assert.ok(server && create && failed && sent && process)
        assert.equal(create.parentSpanContext?.spanId, server.spanContext().spanId)
        for (const span of [failed, sent, process]) {
          assert.equal(span.parentSpanContext?.spanId, create.spanContext().spanId, span.name)
        }
        assert.deepEqual(
          [create, failed, sent, process].map(({ kind }) => kind),
          [api.SpanKind.PRODUCER, api.SpanKind.PRODUCER, api.SpanKind.PRODUCER, api.SpanKind.CONSUMER],
        )
        assert.deepEqual(current, [process.spanContext()])

        assert.equal(failed.status.code, api.SpanStatusCode.ERROR)
        assert.equal(failed.status.message, 'not yet')
        assert.equal(failed.attributes['error.type'], 'Error')
        assert.equal(sent.status.code, api.SpanStatusCode.UNSET)
        assert.deepEqual([failed.attributes['broadcaster.attempt'], sent.attributes['broadcaster.attempt']], [1, 2])
        for (const span of [sent, process]) {
          assert.equal(span.attributes['messaging.system'], system)
          assert.equal(span.attributes['cloudevents.event_type'], 'order.created')
          assert.equal(span.attributes['messaging.message.id'], sent.attributes['messaging.message.id'])
          if (way.destination !== undefined) {
            assert.equal(span.attributes['messaging.destination.name'], way.destination)
            assert.ok(span.name.endsWith(` ${way.destination}`))
          }
        }
        assert.equal(sent.attributes['messaging.operation.type'], 'send')
        assert.equal(sent.attributes['broadcaster.backend'], 'main')
        assert.equal(process.attributes['messaging.operation.type'], 'process')
        assert.equal(process.attributes['messaging.consumer.group.name'], 'billing')
        assert.doesNotMatch(JSON.stringify(spans.map(({ attributes }) => attributes)), /secret/)
        const record = await broadcaster.events.get({ eventType: 'order.created' })
        const { traceId: id, spanId } = create.spanContext()
        assert.deepEqual(record.extensions, { traceparent: `00-${id}-${spanId}-01` })
      } finally {
        await consumer?.stop()
        await broadcaster.close()
        await way.close()
      }
    })
  }
})
