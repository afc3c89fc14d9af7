import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { closeWithin } from '../foundation/close-within.ts'
import { bytes, callback, duration, integer } from '../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../foundation/option-table.ts'
import { type Backend, type BackendHealth, delivered, notAttempted } from './backend.ts'
import { boundedCall } from './bounded-call.ts'
import { Gate } from './gate.ts'
import { rateOption } from './rate.ts'
import { sendByKey } from './send-by-key.ts'
import { timesOfEach } from './send-times.ts'

export const EACH_EVENT = {
  /** How many events are sent at once; those of one key never are. Default 10. */
  concurrency: integer(10, { min: 1, max: 10_000 }),
  /** How long the function may take for one event, in milliseconds. Default 5000. */
  timeout: duration(5_000),
  /** The largest event, in bytes of its encoded form. Default: 64 MiB of data. */
  maxEventBytes: bytes(undefined, { min: 1 }),
  /** Default: always healthy. */
  healthCheck: callback<(signal: AbortSignal) => Promise<BackendHealth>>('a function that resolves with the health'),
  /** Called once, when the backend is closed. Default: nothing is. */
  close: callback<() => Promise<void>>('a function'),
  /**
   * How fast events go there at most, from all workers together: `'50/s'`, `'3000/min'`, a number of events a second, or
   * `{ events, per, burst }`; each attempt counts. Default: no limit.
   */
  rate: rateOption(),
}
/** The options of `eachEvent()`. */
export type EachEventOptions = OptionsOf<typeof EACH_EVENT>

/**
 * A backend made of one function for one event. The event is delivered when the function returns or its promise
 * resolves. When it throws, `OutageError`, `PermanentError` and `RetryAfterError` say what that means; any other error
 * costs a retry. Events of one key are sent in order; none is sent after one that was not delivered.
 *
 * @example
 * backends: { audit: eachEvent(async (event, signal) => { await client.put(event.id, event.data, { signal }) }) }
 */
export function eachEvent(
  send: (event: OutgoingEvent, signal: AbortSignal) => unknown,
  options: EachEventOptions = {},
): Backend {
  const { concurrency, timeout, maxEventBytes, healthCheck, close, rate } = readOptions(
    'eachEvent()',
    EACH_EVENT,
    options,
  )
  const gate = new Gate(concurrency)
  let closing: Promise<void> | undefined
  return {
    capabilities: { ordersWithinSend: true },
    rate,
    ...timesOfEach(timeout),
    ...(maxEventBytes === undefined ? {} : { maxEventBytes }),
    send: (events, signal, context) =>
      sendByKey(events, signal, (event) =>
        gate.run(async () => {
          if (signal.aborted || context?.mayBegin() === false) return notAttempted
          await boundedCall(String(event), timeout, signal, (stop) => send(event, stop))
          return delivered
        }),
      ),
    healthCheck: async (signal) => healthCheck?.(signal) ?? { healthy: true },
    close: () => (closing ??= closeWithin('eachEvent()', async () => close?.())),
  }
}
