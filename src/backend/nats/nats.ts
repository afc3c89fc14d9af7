import { closeWithin } from '../../close-within.ts'
import { BroadcasterError } from '../../errors.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { type Backend, type BackendHealth, delivered, notAttempted, notDelivered, type SendResult } from '../backend.ts'
import { Gate } from '../gate.ts'
import { refuseConfig } from '../refuse-config.ts'
import { refuseEvent } from '../refuse-event.ts'
import { sendByKey } from '../send-by-key.ts'
import { OutageError, PermanentError } from '../send-error.ts'
import { NatsConnection, type OpenConnection } from './connection.ts'
import { checkMessage, messageOf, type NatsMessage } from './message.ts'
import { eachOwnSubject, type NatsJetStreamOptions, type ResolvedNatsOptions, resolveOptions } from './options.ts'
import { errorOfOpening, failureOf } from './publish-error.ts'
import { errorOfNoResponders, refusesBySubject } from './stream.ts'

export type { NatsClient, NatsJetStreamOptions, NatsStream } from './options.ts'

/**
 * Publishes each event to a NATS JetStream stream and waits for the stream's acknowledgement. The stream drops a
 * second delivery of an event within its duplicate window. Guarantees, errors and advice for production are in
 * `docs/backends/nats.md`.
 *
 * @example natsJetStream({ servers: 'nats://localhost:4222', stream: { name: 'EVENTS', create: true } })
 */
export function natsJetStream(options: NatsJetStreamOptions): Backend {
  const resolved = resolveOptions(options)
  const connection = new NatsConnection(resolved)
  return {
    capabilities: { ordersWithinSend: true, deduplicates: true },
    maxEventBytes: resolved.maxEventBytes,
    checkConfig: refuseConfig('natsJetStream'),
    checkEvent: refuseEvent((event) => checkMessage(event, resolved)),
    connect: async (signal) => void (await connection.open(signal)),
    send: (events, signal) => connection.track(send(connection, resolved, events, signal)),
    healthCheck: (signal) => healthCheck(connection, resolved, signal),
    close: () => closeWithin('natsJetStream()', () => connection.close()),
  }
}

async function send(
  connection: NatsConnection,
  options: ResolvedNatsOptions,
  events: readonly OutboxEvent[],
  signal: AbortSignal,
): Promise<readonly SendResult[]> {
  let open: OpenConnection
  try {
    open = await connection.open(signal)
  } catch (error) {
    // A closed backend attempted nothing; all else is an outage, a package that is not installed too.
    const failure = notDelivered(connection.closed ? error : errorOfOpening(error))
    return events.map(() => failure)
  }
  const gate = new Gate(options.maxInFlight)
  const aborted = Promise.withResolvers<SendResult>()
  const onAbort = (): void =>
    aborted.resolve(notDelivered(new OutageError('the send ended before NATS replied', { cause: signal.reason })))
  signal.addEventListener('abort', onAbort, { once: true })
  let broken = false
  try {
    return await sendByKey(events, signal, async (event) => {
      const message = prepare(event, options, open)
      return gate.run(async () => {
        if (broken || signal.aborted || connection.closed) return notAttempted
        const published = publish(open, options, message, () => {
          broken = true
          connection.drop(open)
        })
        return Promise.race([published, aborted.promise])
      })
    })
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function prepare(event: OutboxEvent, options: ResolvedNatsOptions, { nats }: OpenConnection): NatsMessage {
  const message = messageOf(event, options)
  const most = nats.info?.max_payload ?? Number.POSITIVE_INFINITY
  if (message.size <= most) return message
  throw new PermanentError(`${event} takes ${message.size} bytes, and this server's max_payload is ${most}; raise it`)
}

/** Publishes one message and waits for its acknowledgement. Never rejects. */
async function publish(
  open: OpenConnection,
  options: ResolvedNatsOptions,
  { subject, id, headers: pairs, payload }: NatsMessage,
  onBroken: () => void,
): Promise<SendResult> {
  const { stream, timeout } = options
  try {
    const headers = open.headers()
    for (const [name, value] of pairs) headers.append(name, value)
    await open.jetstream.publish(subject, payload, { msgID: id, headers, timeout, expect: { streamName: stream.name } })
    return delivered
  } catch (cause) {
    const { error, broken, noResponders, full } = failureOf(cause, eachOwnSubject(options))
    if (full && (await refusesBySubject(open.manager, stream))) {
      const text = `the stream ${stream.name} has as many messages of the subject ${subject} as it takes`
      return notDelivered(new BroadcasterError('SEND_FAILED', text, { field: 'subject', value: subject, cause }))
    }
    const failure = noResponders ? await errorOfNoResponders(open.manager, stream, subject) : error
    // Another server may have the JetStream that this one has lost. A stream that is gone is gone everywhere.
    if (broken || (noResponders && failure instanceof OutageError && failure.field === undefined)) onBroken()
    return notDelivered(failure)
  }
}

async function healthCheck(
  connection: NatsConnection,
  { stream }: ResolvedNatsOptions,
  signal: AbortSignal,
): Promise<BackendHealth> {
  try {
    const open = await connection.open(signal)
    const started = performance.now()
    await open.manager.streams.info(stream.name).catch((error: unknown) => {
      if (failureOf(error).broken) connection.drop(open)
      throw error
    })
    return { healthy: true, latency: performance.now() - started, detail: `the stream ${stream.name} answers` }
  } catch (error) {
    return { healthy: false, detail: errorOfOpening(error).message }
  }
}
