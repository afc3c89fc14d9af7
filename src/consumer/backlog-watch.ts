import { Pause } from '../foundation/pause.ts'
import { waitFor } from '../foundation/waiting.ts'
import type { SignalSource } from '../telemetry/signals.ts'
import type { Subscription } from './subscription.ts'

/** Between two looks, and how long one may take; in milliseconds. */
const INTERVAL = 10_000
const LONGEST = 5_000

export type BacklogWatch = ReturnType<typeof backlogWatch>

/** Asks the broker what it holds for a consumer, now and then while somebody listens, until `stop`. `interval` in milliseconds. */
export function backlogWatch(consumer: string, subscription: Subscription, signals: SignalSource, interval = INTERVAL) {
  const pause = new Pause()
  const ending = new AbortController()

  /** Never rejects. */
  async function run(): Promise<void> {
    if (subscription.backlog === undefined) return
    while (!ending.signal.aborted) {
      if (signals.has('consumer.backlog')) signals.emit('consumer.backlog', { consumer, messages: await look() })
      if (!ending.signal.aborted) await pause.sleep(interval)
    }
    // Another process may still have it.
    if (signals.has('consumer.backlog')) signals.emit('consumer.backlog', { consumer, messages: null })
  }

  /** Null when it is not known. That the broker cannot be reached is told by those who receive. */
  async function look(): Promise<number | null> {
    try {
      const asking = Promise.resolve(subscription.backlog?.())
      return (await waitFor(asking, { timeout: LONGEST, signal: ending.signal }, () => new Error('no answer'))) ?? null
    } catch {
      return null
    }
  }

  function stop(): void {
    ending.abort()
    pause.end()
  }

  return { run, stop }
}
