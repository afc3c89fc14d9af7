import { randomUUID } from 'node:crypto'
import type { Backend, SendResult } from '../../src/backend/backend.ts'
import { delivered } from '../../src/backend/backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import type { OutboxEvent } from '../../src/record/outbox-event.ts'
import type { WorkerOptions } from '../../src/relay/worker-options.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { onSignal, SIGNAL_NAMES, type SignalMessage, type SignalName } from '../../src/telemetry/signals.ts'

/** Quick timings, so that a test of retries or breakers takes milliseconds. */
export const QUICK: WorkerOptions = {
  pollInterval: 200,
  retry: { base: 50, jitter: 'none' },
  breaker: { firstProbe: 20, probeInterval: 40 },
  retention: false,
}

/** What a recording backend does with an event; default: delivers it. */
export type Behaviour = (event: OutgoingEvent, signal: AbortSignal) => SendResult | Promise<SendResult>

/** A backend that records what it acknowledged, in order. One event of a key at a time. */
export interface RecordingBackend extends Backend {
  readonly received: OutgoingEvent[]
  behaviour: Behaviour
}

export function recordingBackend(behaviour: Behaviour = () => delivered): RecordingBackend {
  const backend: RecordingBackend = {
    received: [],
    behaviour,
    async send(events, signal) {
      return Promise.all(
        events.map(async (event) => {
          const result = await backend.behaviour(event, signal)
          if (result.ok) backend.received.push(event)
          return result
        }),
      )
    },
    healthCheck: async () => ({ healthy: true }),
    close: async () => undefined,
  }
  return backend
}

type Said = { [Name in SignalName]: { readonly name: Name } & SignalMessage<Name> }[SignalName]

/** An outbox for one test: its broadcaster, its signals, and a way to wait for them. */
export class TestOutbox implements AsyncDisposable {
  readonly backend: RecordingBackend
  readonly broadcaster: Broadcaster
  readonly said: Said[] = []
  readonly #stops: (() => void)[]
  readonly #waiting = new Set<() => void>()

  constructor(backends: Record<string, Backend> = {}, store: Store = memoryStore({ lanes: 8 })) {
    this.backend = recordingBackend()
    const name = `test-${randomUUID()}`
    this.broadcaster = new Broadcaster({ store, name, backends: { main: this.backend, ...backends }, worker: QUICK })
    this.#stops = SIGNAL_NAMES.map((signal) =>
      onSignal(signal, (message) => {
        if (message.outbox !== name) return
        this.said.push({ name: signal, ...message } as Said)
        for (const look of this.#waiting) look()
      }),
    )
  }

  /** Publishes events of the given keys in one transaction; the data counts from 1. */
  async publish(keys: readonly (string | null)[], options = {}): Promise<readonly OutboxEvent[]> {
    const events = keys.map((key, n) => ({
      type: 'test.happened',
      source: '/test',
      data: n + 1,
      ...(key !== null && { partitionKey: key }),
    }))
    return this.broadcaster.transaction((tx) => this.broadcaster.publishMany(tx, events, options))
  }

  heard<Name extends SignalName>(name: Name): readonly SignalMessage<Name>[] {
    return this.said.filter((message) => message.name === name) as unknown as SignalMessage<Name>[]
  }

  /** Resolves when `condition` holds, looked at after every signal; rejects after ten seconds. */
  async until(condition: () => boolean, what = condition.toString()): Promise<void> {
    if (condition()) return
    await new Promise<void>((resolve, reject) => {
      const end = (finish: () => void) => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        finish()
      }
      const look = (): void => {
        if (condition()) end(resolve)
      }
      const said = () => this.said.map((message) => message.name).slice(-20)
      const timer = setTimeout(() => end(() => reject(new Error(`never came: ${what}; last heard ${said()}`))), 10_000)
      this.#waiting.add(look)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broadcaster.close()
    for (const stop of this.#stops) stop()
  }
}

/** The data of received events of a key, in the order in which they arrived. */
export function dataOf(events: readonly OutgoingEvent[], key?: string): readonly unknown[] {
  return events.filter((event) => key === undefined || event.partitionKey === key).map((event) => event.data)
}
