import { type ReadEvent, readEvent } from '../consumer/read-event.ts'
import { decodeNats } from '../event/nats.ts'

type JsMsg = import('@nats-io/jetstream').JsMsg

/** The event of a message, or why there is none. */
export function readMessage(message: JsMsg): ReadEvent {
  const { pairs, problem } = readHeaders(message)
  if (problem !== undefined) return { event: undefined, problem }
  // Of several headers of one name the first counts.
  return readEvent(() => decodeNats(pairs.toReversed(), message.data))
}

/** Whether no answer came in time; the client's error, or ours that has it as its cause. */
export function isSilence(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (at.name === 'TimeoutError') return true
  return false
}

/** Where acknowledgements go. The client has it, but its types do not. */
export function replyOf(message: JsMsg): string {
  return 'reply' in message && typeof message.reply === 'string' ? message.reply : ''
}

type MsgHdrs = import('@nats-io/transport-node').MsgHdrs

/** The headers of a message, or why the client cannot read them. */
export interface ReadHeaders {
  readonly pairs: readonly (readonly [string, string])[]
  readonly problem?: unknown
}

/** The client reads headers on first use, and throws for some that other clients write, such as one named `a b`. */
export function readHeaders(message: { readonly headers?: MsgHdrs | undefined }): ReadHeaders {
  try {
    const pairs = Array.from(message.headers ?? []).flatMap(([name, values]) =>
      values.map((value): [string, string] => [name, value]),
    )
    return { pairs }
  } catch (problem) {
    return { pairs: [], problem }
  }
}
