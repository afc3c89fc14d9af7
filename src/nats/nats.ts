import {
  type Backend,
  type BackendHealth,
  backendClosed,
  delivered,
  notAttempted,
  notDelivered,
  type SendContext,
  type SendResult,
} from '../backend/backend.ts'
import { describeBackend } from '../backend/describe-backend.ts'
import { Gate } from '../backend/gate.ts'
import { refuseConfig } from '../backend/refuse-config.ts'
import { refuseEvent } from '../backend/refuse-event.ts'
import { sendByKey } from '../backend/send-by-key.ts'
import { OutageError, PermanentError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { closeWithin } from '../foundation/close-within.ts'
import { abortOf } from '../foundation/waiting.ts'
import { natsConnection, type OpenNats } from './connection.ts'
import { findingsOf } from './findings.ts'
import { checkMessage, messageOf, type NatsMessage } from './message.ts'
import { eachOwnSubject, type NatsJetStreamOptions, resolveOptions } from './options.ts'
import { errorOfOpening, failureOf } from './publish-error.ts'
import { errorOfNoResponders, refusesBySubject } from './stream.ts'

export type { NatsClient, NatsJetStreamOptions, NatsStream } from './options.ts'

/**
 * Publishes each event to a NATS JetStream stream and waits for the stream's acknowledgement. The stream drops a
 * second delivery of an event within its duplicate window. Guarantees, errors and advice for production are in
 * `docs/backends/nats.md`.
 *
 * @example natsJetStream({ url: 'nats://localhost:4222', stream: { name: 'EVENTS', create: true } })
 */
export function natsJetStream(options: NatsJetStreamOptions): Backend {
  const resolved = resolveOptions(options)
  const connection = natsConnection(resolved)
  const { stream, timeout } = resolved

  async function send(
    events: readonly OutgoingEvent[],
    signal: AbortSignal,
    context?: SendContext,
  ): Promise<readonly SendResult[]> {
    let open: OpenNats
    try {
      open = await connection.get(signal)
    } catch (error) {
      // A closed backend attempted nothing; everything else is an outage, a missing package included.
      const failure = connection.closed ? backendClosed : notDelivered(errorOfOpening(error))
      return events.map(() => failure)
    }
    const gate = new Gate(resolved.concurrency)
    const aborted = abortOf(signal, () =>
      notDelivered(new OutageError('the send ended before NATS replied', { cause: signal.reason })),
    )
    let broken = false
    try {
      return await sendByKey(events, signal, async (event) => {
        const message = prepare(event, open)
        return gate.run(async () => {
          if (broken || signal.aborted || connection.closed || context?.mayBegin() === false) return notAttempted
          const published = publish(open, message, () => {
            broken = true
            connection.drop(open)
          })
          return Promise.race([published, aborted.promise])
        })
      })
    } finally {
      aborted.forget()
    }
  }

  function prepare(event: OutgoingEvent, { nats }: OpenNats): NatsMessage {
    const message = messageOf(event, resolved)
    const most = nats.info?.max_payload ?? Number.POSITIVE_INFINITY
    if (message.size <= most) return message
    throw new PermanentError(`${event} takes ${message.size} bytes, and this server's max_payload is ${most}; raise it`)
  }

  /** Publishes one message and waits for its acknowledgement. Never rejects. */
  async function publish(
    open: OpenNats,
    { subject, id, headers: pairs, payload }: NatsMessage,
    onBroken: () => void,
  ): Promise<SendResult> {
    try {
      const headers = open.headers()
      for (const [name, value] of pairs) headers.append(name, value)
      await open.jetstream.publish(subject, payload, {
        msgID: id,
        headers,
        timeout,
        expect: { streamName: stream.name },
      })
      return delivered
    } catch (cause) {
      const { error, broken, noResponders, full } = failureOf(cause, eachOwnSubject(resolved))
      if (full && (await refusesBySubject(open.ask, stream))) {
        const text = `the stream ${stream.name} has as many messages of the subject ${subject} as it allows`
        return notDelivered(new BroadcasterError('SEND_FAILED', text, { field: 'subject', value: subject, cause }))
      }
      const failure = noResponders ? await errorOfNoResponders(open.ask, stream, subject) : error
      // Another server may still have the JetStream that this one has lost. A deleted stream is gone everywhere.
      if (broken || (noResponders && failure instanceof OutageError && failure.field === undefined)) onBroken()
      return notDelivered(failure)
    }
  }

  async function healthCheck(signal: AbortSignal): Promise<BackendHealth> {
    try {
      const open = await connection.get(signal)
      const started = performance.now()
      await open
        .ask((manager) => manager.streams.info(stream.name))
        .catch((error: unknown) => {
          if (failureOf(error).broken) connection.drop(open)
          throw error
        })
      return { healthy: true, latency: performance.now() - started, detail: `the stream ${stream.name} answers` }
    } catch (error) {
      return { healthy: false, detail: errorOfOpening(error).message }
    }
  }

  return {
    ...describeBackend('nats', stream.name, resolved.client ? [] : resolved.url),
    capabilities: { ordersWithinSend: true, deduplicates: true },
    rate: resolved.rate,
    maxEventBytes: resolved.maxEventBytes,
    checkConfig: refuseConfig('natsJetStream'),
    checkEvent: refuseEvent((event) => checkMessage(event, resolved)),
    connect: async (signal) => void (await connection.get(signal)),
    eventTimeout: timeout,
    send: (events, signal, context) => connection.track(send(events, signal, context)),
    healthCheck,
    findings: async (signal) => findingsOf(await connection.get(signal), stream.name),
    close: () => closeWithin('natsJetStream()', () => connection.close()),
  }
}
