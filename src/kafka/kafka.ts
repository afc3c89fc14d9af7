import {
  type Backend,
  type BackendHealth,
  backendClosed,
  notAttempted,
  notDelivered,
  type SendContext,
  type SendResult,
} from '../backend/backend.ts'
import { describeBackend } from '../backend/describe-backend.ts'
import { refuseConfig } from '../backend/refuse-config.ts'
import { refuseEvent } from '../backend/refuse-event.ts'
import { OutageError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { closeWithin } from '../foundation/close-within.ts'
import { waitFor } from '../foundation/waiting.ts'
import { errorOfConnection } from './failure.ts'
import { FencedPort } from './fenced-port.ts'
import { injectedPort } from './injected-port.ts'
import { checkMessage, messageOf } from './message.ts'
import { type KafkaOptions, type ResolvedKafkaOptions, resolveOptions } from './options.ts'
import type { ProducePort } from './port.ts'
import { ProduceQueue, type QueuedMessage, type SendRun } from './produce-queue.ts'
import { type ProducerPort, producerPort } from './producer-port.ts'
import { topicOf } from './topic.ts'

export type { KafkaConnectionOptions, KafkaJsProducer, KafkaOptions, KafkaSasl } from './options.ts'

/**
 * Writes each event as a record to Kafka, keyed by its partition key, and waits until all replicas in sync have it.
 * Guarantees, errors and advice for production are in `docs/backends/kafka.md`.
 *
 * @example kafka({ bootstrapServers: 'localhost:9092', topic: 'events' })
 */
export function kafka(options: KafkaOptions = {}): Backend {
  const settings = resolveOptions(options)
  let closing: Promise<void> | undefined
  const { topic, producer, maxBatchBytes } = settings
  const eachOwnTopic = typeof topic === 'function' || topic.includes('{type}')
  const { port, way } = portsOf(settings, eachOwnTopic)
  const queue = new ProduceQueue(way, { maxBatchBytes, eachOwnTopic })

  async function send(
    events: readonly OutgoingEvent[],
    signal: AbortSignal,
    context?: SendContext,
  ): Promise<readonly SendResult[]> {
    if (closing !== undefined) return events.map(() => backendClosed)
    const results = new Array<SendResult>(events.length).fill(notAttempted)
    const run: SendRun = { stopped: new Set(), aborted: signal.aborted }
    const queued: QueuedMessage[] = []
    let open = 0
    const done = Promise.withResolvers<void>()
    for (const [at, event] of events.entries()) {
      const key = event.partitionKey ?? null
      if (run.aborted || (key !== null && run.stopped.has(key))) continue
      try {
        const settle = (result: SendResult): void => {
          results[at] = result
          if (--open === 0) done.resolve()
        }
        const owner = settings.fenced === undefined ? undefined : context?.ownerOf(event)
        queued.push({ message: messageOf(event, settings), key, owner, run, state: 'waiting', settle })
        open++
      } catch (error) {
        results[at] = notDelivered(error)
        if (key !== null) run.stopped.add(key)
      }
    }
    if (open === 0) return results
    const onAbort = (): void => {
      run.aborted = true
      for (const each of queued) {
        if (each.state === 'settled') continue
        const sent = each.state === 'sent'
        each.state = 'settled'
        each.settle(
          sent
            ? notDelivered(new OutageError('the send ended before Kafka answered', { cause: signal.reason }))
            : notAttempted,
        )
      }
    }
    signal.addEventListener('abort', onAbort, { once: true })
    // What comes after an event that cannot be written was left out already; what comes before it goes.
    run.stopped.clear()
    queue.add(queued)
    await done.promise
    signal.removeEventListener('abort', onAbort)
    return results
  }

  async function connect(signal: AbortSignal): Promise<void> {
    if (closing !== undefined) throw new BroadcasterError('CLOSED', 'this backend is closed')
    try {
      if (port) await untilAborted(port.probe(), signal)
    } catch (error) {
      throw errorOfConnection(error)
    }
  }

  async function healthCheck(signal: AbortSignal): Promise<BackendHealth> {
    if (producer) return { healthy: true, detail: 'the injected producer is not asked' }
    const started = performance.now()
    try {
      await connect(signal)
      const fixed = typeof topic === 'string' && !topic.includes('{type}') ? topic : undefined
      if (port && fixed !== undefined) await untilAborted(port.topic(fixed), signal)
      const detail = fixed === undefined ? 'Kafka answers' : `Kafka has the topic ${fixed}`
      return { healthy: true, latency: performance.now() - started, detail }
    } catch (error) {
      return { healthy: false, detail: errorOfConnection(error).message }
    }
  }

  /** The event's partition while that accepts nothing, so that events of others need not wait. */
  function destination(event: OutgoingEvent): string | undefined {
    return event.partitionKey === undefined ? undefined : port?.awayOf(topicOf(topic, event), event.partitionKey)
  }

  /** Waits for what is in flight, starts nothing, and closes what we opened. */
  function close(): Promise<void> {
    return (closing ??= queue.idle().then(() => port?.close()))
  }

  const backend: Backend = {
    ...describeBackend('kafka', topic, producer ? [] : settings.bootstrapServers),
    capabilities: { ordersWithinSend: true },
    rate: settings.rate,
    maxEventBytes: settings.maxEventBytes,
    checkConfig: refuseConfig('kafka'),
    checkEvent: refuseEvent((event) => checkMessage(event, settings)),
    ...{ connect, send, healthCheck },
    close: () => closeWithin('kafka()', close),
  }
  // Only while partitions differ: a backend with destinations keeps half of its room for the others.
  const get = () => (port?.isPartlyAway ? destination : undefined)
  return Object.defineProperty(backend, 'destination', { get, enumerable: true })
}

/** `port`: our own producer; undefined with an injected one. `way`: what events are written to. */
function portsOf(
  options: ResolvedKafkaOptions,
  eachOwnTopic: boolean,
): { readonly port: ProducerPort | undefined; readonly way: ProducePort } {
  const { producer, fenced } = options
  if (producer) return { port: undefined, way: injectedPort(producer, eachOwnTopic) }
  const port = producerPort(options)
  return { port, way: fenced === undefined ? port : new FencedPort(port, fenced, options, eachOwnTopic) }
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return waitFor(promise, { signal }, () => new OutageError('ended before Kafka answered', { cause: signal.reason }))
}
