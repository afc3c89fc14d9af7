import { encodeHeaderValue } from '../../event/http.ts'
import { errorText } from '../error-text.ts'
import type { DeadLetterReason } from '../subscription.ts'

type JsMsg = import('@nats-io/jetstream').JsMsg
type MsgHdrs = import('@nats-io/transport-node').MsgHdrs

/** The headers of a dead letter: those of the message, and why it was given up. `id` = what it is known by. */
export function deadLetterOf(
  message: JsMsg,
  position: string,
  { consumer, error, attempts }: DeadLetterReason,
  headers: MsgHdrs,
): { readonly headers: MsgHdrs; readonly id: string } {
  for (const [name, values] of message.headers ?? []) {
    // They spoke of the first stream.
    if (/^nats-/i.test(name)) continue
    for (const value of values) headers.append(name, value)
  }
  headers.set('broadcaster-consumer', encodeHeaderValue(consumer))
  headers.set('broadcaster-error', encodeHeaderValue(errorText(error)))
  headers.set('broadcaster-attempts', String(attempts))
  headers.set('broadcaster-position', encodeHeaderValue(position))
  headers.set('broadcaster-subject', message.subject)
  return { headers, id: position }
}
