import { errorText } from '../consumer/error-text.ts'
import { fitHeaders, LEFT_OUT, leftOutText } from '../consumer/fit-headers.ts'
import type { DeadLetterReason } from '../consumer/subscription.ts'
import { encodeHeaderValue } from '../event/http.ts'
import type { OpenNats } from './connection.ts'
import { type Durable, ensureDeadLetters } from './durable.ts'
import { headerBytes, MOST_HEADER_BYTES } from './message.ts'
import { readHeaders } from './read-message.ts'
import type { ResolvedNatsSubscriptionOptions } from './subscription-options.ts'

type JsMsg = import('@nats-io/jetstream').JsMsg
type MsgHdrs = import('@nats-io/transport-node').MsgHdrs

/** `NATS/1.0`, the id of the dead letter, and the name of its stream. */
const FRAME = 1_024
/** For the names of what was left out. */
const NAMES = 4_096

/**
 * The headers of a dead letter: why it was given up, and those of the message as far as there is room: the largest are
 * left out. Undefined = there is no room for any. `maxPayload`: what the server takes, message and headers together.
 */
function deadLetterHeaders(
  message: JsMsg,
  position: string,
  { consumer, error, attempts }: DeadLetterReason,
  make: () => MsgHdrs,
  maxPayload: number,
): MsgHdrs | undefined {
  const ours: [string, string][] = [
    ['broadcaster-consumer', encodeHeaderValue(consumer)],
    ['broadcaster-attempts', String(attempts)],
    ['broadcaster-position', encodeHeaderValue(position)],
    ['broadcaster-subject', message.subject],
  ]
  const room = Math.min(MOST_HEADER_BYTES, maxPayload - message.data.length) - FRAME
  const left = room - ours.reduce((sum, pair) => sum + headerBytes(pair), 0)
  if (left < 0) return undefined
  const text = errorText(error)
  // Escaping makes the text up to nine times as long. The part that fits is kept.
  let shown = text.slice(0, Math.max(0, left))
  while (headerBytes(['broadcaster-error', encodeHeaderValue(shown)]) > left && shown !== '') {
    shown = shown.slice(0, Math.floor(shown.length / 2))
  }
  ours.push(['broadcaster-error', encodeHeaderValue(shown.toWellFormed())])
  // Headers about the first stream do not apply to the dead letter.
  const { pairs: all, problem } = readHeaders(message)
  const pairs = all.filter(([name]) => !/^nats-/i.test(name))
  const spare = left - headerBytes(ours.at(-1) ?? ['', ''])
  const sizeOf = (name: string, value: string): number => headerBytes([name, value])
  let { kept, leftOut } = fitHeaders(pairs, spare, sizeOf)
  if (leftOut.length > 0) ({ kept, leftOut } = fitHeaders(pairs, spare - NAMES, sizeOf))
  const missing = problem === undefined ? leftOut : ['all: they cannot be read']
  const headers = make()
  for (const [name, value] of kept) headers.append(name, value)
  for (const [name, value] of ours) headers.set(name, value)
  if (missing.length > 0 && spare > NAMES) headers.set(LEFT_OUT, encodeHeaderValue(leftOutText(missing, 400)))
  return headers
}

/** Writes a dead letter, and resolves once it is stored. */
export async function writeDeadLetter(
  open: OpenNats,
  durable: Durable,
  options: ResolvedNatsSubscriptionOptions,
  message: JsMsg,
  reason: DeadLetterReason,
): Promise<void> {
  const id = `${options.stream} ${message.seq}`
  const most = open.nats.info?.max_payload ?? Number.POSITIVE_INFINITY
  const headers = deadLetterHeaders(message, id, reason, open.headers, most)
  // A message as large as the server's limit goes as it is: better without a reason than never.
  const details = headers && {
    headers,
    // Given up again after a crash, it is stored only once.
    msgID: `${durable.name} ${id}`,
    expect: { streamName: options.deadLetter.stream },
  }
  try {
    await open.jetstream.publish(durable.deadLetterSubject, message.data, details)
  } catch (error) {
    // The stream may have been deleted: it is made again for the next try.
    await ensureDeadLetters(open, options).catch(() => undefined)
    throw error
  }
}
