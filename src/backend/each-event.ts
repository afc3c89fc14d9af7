import { closeWithin } from '../close-within.ts'
import type { OutboxEvent } from '../record/outbox-event.ts'
import { type Backend, type BackendHealth, delivered } from './backend.ts'
import { boundedCall } from './bounded-call.ts'
import { Gate } from './gate.ts'
import { OptionCheck } from './option-check.ts'
import { sendByKey } from './send-by-key.ts'

export interface EachEventOptions {
  /** How many events are sent at once; those of one key never are. Default 10. */
  readonly concurrency?: number
  /** How long the function may take for one event, in milliseconds. Default 5000. */
  readonly timeout?: number
  /** The largest event, in bytes of its encoded form. Default: no limit. */
  readonly maxEventBytes?: number
  /** Default: always healthy. */
  readonly healthCheck?: (signal: AbortSignal) => Promise<BackendHealth>
  /** Called once, when the backend is closed. */
  readonly close?: () => Promise<void>
}

/**
 * A backend made of one function for one event. The event is delivered when the function returns (or its promise
 * resolves), and not when it throws: `OutageError`, `PermanentError` and `RetryAfterError` say what that means, any
 * other error counts as a retry. Events of one key are sent in order; none is sent after one that was not delivered.
 *
 * @example
 * backends: { audit: eachEvent(async (event, signal) => { await client.put(event.eventId, event.data, { signal }) }) }
 */
export function eachEvent(
  send: (event: OutboxEvent, signal: AbortSignal) => unknown,
  options: EachEventOptions = {},
): Backend {
  const check = new OptionCheck('eachEvent', options, [
    'concurrency',
    'timeout',
    'maxEventBytes',
    'healthCheck',
    'close',
  ])
  const gate = new Gate(check.integer('concurrency', 10, { min: 1, max: 10_000 }))
  const timeout = check.milliseconds('timeout', 5_000)
  check.done()
  let closing: Promise<void> | undefined
  return {
    capabilities: { ordersWithinSend: true },
    // Longer than the function's own time, so that the first events of a send always get all of theirs.
    timeout: timeout + 250,
    ...(options.maxEventBytes === undefined ? {} : { maxEventBytes: options.maxEventBytes }),
    send: (events, signal) =>
      sendByKey(events, signal, (event) =>
        gate.run(async () => {
          await boundedCall(String(event), timeout, signal, (stop) => send(event, stop))
          return delivered
        }),
      ),
    healthCheck: async (signal) => options.healthCheck?.(signal) ?? { healthy: true },
    close: () => (closing ??= closeWithin('eachEvent()', async () => options.close?.())),
  }
}
