import { ReceivedEvent } from '../../src/event/received-event.ts'
import { OutboxEvent } from '../../src/record/outbox-event.ts'
import type { SignalName, Signals } from '../../src/telemetry/signals.ts'
import { sampleEvent } from '../../src/testing/sample-events.ts'

export const backend = 'main'
export const worker = 'w'
export const consumer = 'billing'
const error = new Error('no')
const record = new OutboxEvent({
  id: '1',
  eventId: null,
  eventType: 'a',
  source: '/s',
  partitionKey: 'order-7',
  publisherBackend: backend,
  maxRetries: 3,
})
const event = new ReceivedEvent(sampleEvent({ partitionKey: 'order-7' }).toEncodable())
const messaging = { system: 'kafka', destination: 'orders' }
const delivery = { consumer, messaging, event, attempt: 1, duration: 5 }

/** One message of each signal. */
export const SAMPLES: { readonly [Name in SignalName]: Signals[Name] } = {
  'event.created': { record },
  'event.duplicate': { record },
  'event.published': { record, backend, worker },
  'event.retried': { record, backend, worker, retryCount: 1, delay: 5, error },
  'event.failed': { record, backend, worker, retryCount: 1, blocks: true, error },
  'event.blocked': { record, backend, worker, headId: '2' },
  'batch.sent': { backend, messaging, worker, sent: 3, delivered: 2, errors: [error], duration: 5 },
  'batch.settled': {
    backend,
    worker,
    published: 1,
    retried: 2,
    failed: 3,
    blocked: 4,
    lost: 5,
    ages: [5],
    duration: 5,
  },
  'backend.down': { backend, worker, error },
  'backend.up': { backend, worker },
  'backend.unserved': { backend, worker },
  'destination.down': { backend, destination: 'https://example.com', worker, error },
  'destination.up': { backend, destination: 'https://example.com', worker },
  'rate.waited': { backend, destination: '', worker, duration: 1_500 },
  'lane.gained': { backend, worker, lanes: [1, 2] },
  'lane.lost': { backend, worker, lanes: [2], reason: 'lease-ended' },
  'worker.started': { worker, backends: [backend] },
  'worker.stopped': { worker },
  'worker.error': { worker, error },
  'store.down': { worker, error },
  'store.up': { worker },
  'events.purged': { worker, count: 4 },
  'retention.started': { worker },
  'retention.finished': { worker, events: 1, inbox: 2, duration: 5 },
  'listener.failed': { signal: 'event.created', error },
  'consumer.started': { consumer, subscription: 'redis' },
  'consumer.stopped': { consumer },
  'consumer.error': { consumer, error },
  'consumer.gap': { consumer, subscription: 'redis', error },
  'consumer.backlog': { consumer, messages: 7 },
  'delivery.handled': delivery,
  'delivery.duplicate': delivery,
  'delivery.ignored': delivery,
  'delivery.retried': { ...delivery, delay: 5, error },
  'delivery.failed': { ...delivery, error },
}
