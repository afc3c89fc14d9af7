import { closeWithin } from '../../close-within.ts'
import { BroadcasterError } from '../../errors.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import {
  type Backend,
  type BackendHealth,
  notAttempted,
  notDelivered,
  type SendContext,
  type SendResult,
} from '../backend.ts'
import { refuseConfig } from '../refuse-config.ts'
import { refuseEvent } from '../refuse-event.ts'
import { OutageError } from '../send-error.ts'
import { errorOfConnection } from './failure.ts'
import { FencedPort } from './fenced-port.ts'
import { InjectedPort } from './injected-port.ts'
import { checkMessage, messageOf } from './message.ts'
import { type KafkaOptions, type ResolvedKafkaOptions, resolveOptions } from './options.ts'
import type { ProducePort } from './port.ts'
import { ProduceQueue, type QueuedMessage, type SendRun } from './produce-queue.ts'
import { ProducerPort } from './producer-port.ts'

export type { KafkaConnectionOptions, KafkaJsProducer, KafkaOptions, KafkaSasl } from './options.ts'

/**
 * Writes each event as a record to Kafka, keyed by its partition key, and waits until all replicas in sync have it.
 * Guarantees, errors and advice for production are in `docs/backends/kafka.md`.
 *
 * @example kafka({ bootstrapServers: 'localhost:9092', topic: 'events' })
 */
export function kafka(options: KafkaOptions = {}): Backend {
  const resolved = resolveOptions(options)
  const writer = new Writer(resolved)
  return {
    capabilities: { ordersWithinSend: true },
    maxEventBytes: resolved.maxEventBytes,
    checkConfig: refuseConfig('kafka'),
    checkEvent: refuseEvent((event) => checkMessage(event, resolved)),
    connect: (signal) => writer.connect(signal),
    send: (events, signal, context) => writer.send(events, signal, context),
    healthCheck: (signal) => writer.healthCheck(signal),
    close: () => closeWithin('kafka()', () => writer.close()),
  }
}

class Writer {
  readonly #options: ResolvedKafkaOptions
  /** Undefined with an injected producer. */
  readonly #port: ProducerPort | undefined
  readonly #queue: ProduceQueue
  #closing: Promise<void> | undefined

  constructor(options: ResolvedKafkaOptions) {
    const { topic, producer, maxBatchBytes } = options
    const eachOwnTopic = typeof topic === 'function' || topic.includes('{type}')
    this.#options = options
    this.#port = producer ? undefined : new ProducerPort(options)
    const port = producer ? new InjectedPort(producer, eachOwnTopic) : this.#port && fencedIf(this.#port, options)
    if (!port) throw new Error('no port')
    this.#queue = new ProduceQueue(port, { maxBatchBytes, eachOwnTopic })
  }

  async send(
    events: readonly OutboxEvent[],
    signal: AbortSignal,
    context?: SendContext,
  ): Promise<readonly SendResult[]> {
    if (this.#closing !== undefined) {
      const closed = notDelivered(new BroadcasterError('SEND_NOT_ATTEMPTED', 'this backend is closed'))
      return events.map(() => closed)
    }
    const results = new Array<SendResult>(events.length).fill(notAttempted)
    const run: SendRun = { stopped: new Set(), aborted: signal.aborted }
    const queued: QueuedMessage[] = []
    let open = 0
    const done = Promise.withResolvers<void>()
    for (const [at, event] of events.entries()) {
      const key = event.partitionKey
      if (run.aborted || (key !== null && run.stopped.has(key))) continue
      try {
        const settle = (result: SendResult): void => {
          results[at] = result
          if (--open === 0) done.resolve()
        }
        const owner = this.#options.fenced === undefined ? undefined : context?.ownerOf(event)
        queued.push({ message: messageOf(event, this.#options), key, owner, run, state: 'waiting', settle })
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
    // What stands behind an event that cannot be written is left out already; what stands before it goes.
    run.stopped.clear()
    this.#queue.add(queued)
    await done.promise
    signal.removeEventListener('abort', onAbort)
    return results
  }

  async connect(signal: AbortSignal): Promise<void> {
    if (this.#closing !== undefined) throw new BroadcasterError('CLOSED', 'this backend is closed')
    try {
      await untilAborted(this.#port?.probe(), signal)
    } catch (error) {
      throw errorOfConnection(error)
    }
  }

  async healthCheck(signal: AbortSignal): Promise<BackendHealth> {
    const { topic, producer } = this.#options
    if (producer) return { healthy: true, detail: 'the injected producer is not asked' }
    const started = performance.now()
    try {
      await this.connect(signal)
      const fixed = typeof topic === 'string' && !topic.includes('{type}') ? topic : undefined
      if (fixed !== undefined) await untilAborted(this.#port?.topic(fixed), signal)
      const detail = fixed === undefined ? 'Kafka answers' : `Kafka has the topic ${fixed}`
      return { healthy: true, latency: performance.now() - started, detail }
    } catch (error) {
      return { healthy: false, detail: errorOfConnection(error).message }
    }
  }

  /** Lets what is on its way be answered, starts nothing, and closes what we opened. */
  close(): Promise<void> {
    return (this.#closing ??= this.#queue.idle().then(() => this.#port?.close()))
  }
}

function fencedIf(port: ProducerPort, options: ResolvedKafkaOptions): ProducePort {
  const { fenced, topic } = options
  if (fenced === undefined) return port
  return new FencedPort(port, fenced, options, typeof topic === 'function' || topic.includes('{type}'))
}

async function untilAborted<T>(promise: Promise<T> | undefined, signal: AbortSignal): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(new OutageError('ended before Kafka answered', { cause: signal.reason }))
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  promise?.catch(() => undefined)
  await Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', onAbort))
}
