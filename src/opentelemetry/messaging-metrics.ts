import { isNotAttempted } from '../backend/backend.ts'
import type { Messaging } from '../event/messaging.ts'
import { errorType } from '../foundation/error-type.ts'
import { onSignal, type SignalMessage } from '../telemetry/signals.ts'
import type { OtelAttributes, OtelMeter } from './api.ts'
import { operationAttributes, placeAttributes } from './span-attributes.ts'

/** As the conventions advise, in seconds. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

/** The metrics of the messaging conventions, and which signal they come from. */
export const MESSAGING_METRICS = {
  'messaging.client.sent.messages': {
    kind: 'counter',
    unit: '{message}',
    description: 'Number of messages producer attempted to send to the broker.',
  },
  'messaging.client.operation.duration': {
    kind: 'histogram',
    unit: 's',
    description: 'Duration of messaging operation initiated by a producer or consumer client.',
  },
  'messaging.client.consumed.messages': {
    kind: 'counter',
    unit: '{message}',
    description: 'Number of messages that were delivered to the application.',
  },
  'messaging.process.duration': {
    kind: 'histogram',
    unit: 's',
    description: 'Duration of processing operation.',
  },
} as const

type Received = Pick<SignalMessage<'delivery.handled'>, 'consumer' | 'messaging' | 'attempt'>

/** Records the metrics of the conventions from the signals of these outboxes and of all consumers. Returns what ends it. */
export function recordMessaging(meter: OtelMeter, outboxes: readonly string[]): () => void {
  const options = (name: keyof typeof MESSAGING_METRICS) => {
    const { kind, unit, description } = MESSAGING_METRICS[name]
    return { unit, description, ...(kind === 'histogram' && { advice: { explicitBucketBoundaries: [...BUCKETS] } }) }
  }
  const counter = (name: keyof typeof MESSAGING_METRICS) => meter.createCounter(name, options(name))
  const histogram = (name: keyof typeof MESSAGING_METRICS) => meter.createHistogram(name, options(name))
  const sent = counter('messaging.client.sent.messages')
  const operation = histogram('messaging.client.operation.duration')
  const consumed = counter('messaging.client.consumed.messages')
  const processing = histogram('messaging.process.duration')

  const onSent = (message: SignalMessage<'batch.sent'>): void => {
    const { outbox, backend, messaging, delivered, errors, duration } = message
    if (!outboxes.includes(outbox)) return
    const attributes = {
      ...operationAttributes('send', 'send'),
      ...placeAttributes(messaging ?? { system: backend }),
      'broadcaster.outbox': outbox,
      'broadcaster.backend': backend,
    }
    if (delivered > 0) sent.add(delivered, attributes)
    // What was not attempted was not sent.
    const types = errors.filter((error) => !isNotAttempted(error)).map(errorType)
    for (const type of types) sent.add(1, { ...attributes, 'error.type': type })
    const [first] = types
    operation.record(duration / 1_000, first === undefined ? attributes : { ...attributes, 'error.type': first })
  }

  /** Once for each message, however many attempts there are at it in this process. */
  const onReceived = (message: Received): void => {
    if (message.attempt <= 1) consumed.add(1, handlingAttributes(message))
  }
  const onHandled = (message: SignalMessage<'delivery.handled'>): void => {
    onReceived(message)
    processing.record(message.duration / 1_000, handlingAttributes(message))
  }
  const onFailed = (message: Received & { readonly duration: number | null; readonly error: unknown }): void => {
    onReceived(message)
    const { duration, error } = message
    if (duration === null) return
    processing.record(duration / 1_000, { ...handlingAttributes(message), 'error.type': errorType(error) })
  }

  const stops = [
    onSignal('batch.sent', onSent),
    onSignal('delivery.handled', onHandled),
    onSignal('delivery.duplicate', onReceived),
    onSignal('delivery.ignored', onReceived),
    onSignal('delivery.retried', onFailed),
    onSignal('delivery.failed', onFailed),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}

function handlingAttributes({ consumer, messaging }: Received): OtelAttributes {
  const place: Messaging = messaging ?? { system: 'ts-broadcaster' }
  return {
    ...operationAttributes('process', 'handle'),
    ...placeAttributes(place),
    'messaging.consumer.group.name': consumer,
  }
}
