import type { CloudEvent } from '../../event/cloud-event.ts'
import type { OutgoingEvent } from '../../event/outgoing-event.ts'
import { bytes, passedOn } from '../../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../../foundation/option-table.ts'
import { type Backend, type BackendCapabilities, delivered, notAttempted, notDelivered } from '../backend.ts'
import { rateOption } from '../rate.ts'
import { sendByKey } from '../send-by-key.ts'
import { MemoryFaults } from './memory-faults.ts'

export const MEMORY_BACKEND = {
  /** The largest event, in bytes of its encoded form. Default: no limit. */
  maxEventBytes: bytes(undefined, { min: 1 }),
  /** What it says it can do. Default: `{ ordersWithinSend: true }`. */
  capabilities: passedOn<BackendCapabilities, BackendCapabilities>('an object of capabilities', {
    ordersWithinSend: true,
  }),
  /**
   * How fast events go there at most, from all workers together: `'50/s'`, `'3000/min'`, a number of events a second, or
   * `{ events, per, burst }`; each attempt counts. Default: no limit.
   */
  rate: rateOption(),
}
export type MemoryBackendOptions = OptionsOf<typeof MEMORY_BACKEND>

/** A backend that keeps what it gets, for tests. */
export interface MemoryBackend extends Backend {
  /** The events that were delivered, in order; the same event twice when it was delivered twice. */
  readonly events: readonly OutgoingEvent[]
  /** The same as plain CloudEvents. */
  readonly cloudEvents: readonly CloudEvent[]
  /** Scripts what goes wrong. */
  readonly faults: MemoryFaults
  /** Resolves as soon as this many events were delivered since the start or the last `clear`. */
  waitFor(count: number): Promise<readonly OutgoingEvent[]>
  /** Forgets the events delivered so far. */
  clear(): void
}

/**
 * Keeps events in memory, for tests of your own code.
 *
 * @example
 * const backend = memoryBackend()
 * backend.faults.fail({ type: 'order.created' }, new PermanentError('no such customer'))
 * // ... publish and run a worker with it ...
 * await backend.waitFor(3)
 */
export function memoryBackend(options: MemoryBackendOptions = {}): MemoryBackend {
  const { maxEventBytes, capabilities, rate } = readOptions('memoryBackend()', MEMORY_BACKEND, options)
  let events: OutgoingEvent[] = []
  let waiting: { readonly count: number; readonly resolve: (events: readonly OutgoingEvent[]) => void }[] = []
  const faults = new MemoryFaults()

  const deliver = (event: OutgoingEvent): void => {
    events.push(event)
    for (const { count, resolve } of waiting) if (events.length >= count) resolve([...events])
    waiting = waiting.filter(({ count }) => events.length < count)
  }

  return {
    description: 'memory',
    messaging: { system: 'memory' },
    get events() {
      return events
    },
    get cloudEvents() {
      return events.map((event) => event.toCloudEvent())
    },
    faults,
    capabilities,
    rate,
    ...(maxEventBytes === undefined ? {} : { maxEventBytes }),
    send: (sent, signal) =>
      sendByKey(sent, signal, async (event) => {
        await faults.held(signal)
        if (signal.aborted) return notAttempted
        const fault = faults.take(event)
        if (fault && !fault.afterwards) return notDelivered(fault.error)
        deliver(event)
        return fault ? notDelivered(fault.error) : delivered
      }),
    healthCheck: async () =>
      faults.isDown ? { healthy: false, detail: 'down, as the test asked' } : { healthy: true, latency: 0 },
    close: async () => undefined,
    waitFor: (count) =>
      new Promise((resolve) => {
        if (events.length >= count) resolve([...events])
        else waiting.push({ count, resolve })
      }),
    clear: () => {
      events = []
    },
  }
}
