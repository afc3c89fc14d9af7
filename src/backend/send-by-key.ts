import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { notAttempted, notDelivered, type SendResult } from './backend.ts'

/**
 * Sends events one by one: those of a key in sequence, stopping at the first that is not delivered; those of different
 * keys, and those without one, at the same time. `sendOne` limits how many run at once (see `Gate`). Nothing is started
 * once `signal` has aborted or `mayBegin` says no. Resolves with one result per event, in order; never rejects.
 */
export async function sendByKey(
  events: readonly OutgoingEvent[],
  signal: AbortSignal,
  sendOne: (event: OutgoingEvent) => Promise<SendResult>,
  mayBegin: () => boolean = () => true,
): Promise<readonly SendResult[]> {
  const results: SendResult[] = new Array<SendResult>(events.length).fill(notAttempted)
  const runs = new Map<string | number, { readonly event: OutgoingEvent; readonly at: number }[]>()
  for (const [at, event] of events.entries()) {
    const key = event.partitionKey ?? at
    const run = runs.get(key)
    if (run) run.push({ event, at })
    else runs.set(key, [{ event, at }])
  }
  const sendRun = async (run: readonly { readonly event: OutgoingEvent; readonly at: number }[]): Promise<void> => {
    for (const { event, at } of run) {
      if (signal.aborted || !mayBegin()) return
      let result: SendResult
      try {
        result = await sendOne(event)
      } catch (error) {
        result = notDelivered(error)
      }
      results[at] = result
      if (!result.ok) return
    }
  }
  await Promise.all(Array.from(runs.values(), sendRun))
  return results
}
