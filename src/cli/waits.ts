import type { Broadcaster } from '../broadcaster.ts'
import type { OutboxEvent } from '../record/outbox-event.ts'
import { UNSETTLED } from '../record/status.ts'

/** As many heads of keys are read for one list. A key has one, or a few that wait for their retry. */
const MOST = 1_000

/**
 * What unsettled events wait for beside their due time, by their ids: the event of their key that failed or is being
 * tried again, or a breaker that is open. Two small queries for any number of events.
 */
export async function waitsOf(
  broadcaster: Broadcaster,
  events: readonly OutboxEvent[],
): Promise<ReadonlyMap<string, string>> {
  const waiting = events.filter(({ status }) => UNSETTLED.includes(status))
  if (waiting.length === 0) return new Map()
  const keys = new Set(waiting.flatMap(({ partitionKey }) => partitionKey ?? []))
  const lanes = new Set(waiting.flatMap(({ lane }) => lane ?? []))
  const [heads, breakers] = await Promise.all([
    keys.size === 0
      ? []
      : broadcaster.admin
          .filter({ status: ['retry', 'failed'], lane: { in: [...lanes] }, partitionKey: { in: [...keys] } })
          .orderBy('seq')
          .limit(MOST)
          .all(),
    broadcaster.admin.openBreakers(),
  ])
  const open = new Set(breakers.filter((one) => one.destination === '').map(({ backend }) => backend))
  const waits = new Map<string, string>()
  for (const event of waiting) {
    const head = heads.find((one) => blocks(one, event))
    if (head !== undefined) waits.set(event.id, head.id)
    else if (open.has(event.publisherBackend)) waits.set(event.id, `the breaker of ${event.publisherBackend}`)
  }
  return waits
}

/** Whether one of the two stands before the other in its key, and was not skipped. */
function blocks(head: OutboxEvent, event: OutboxEvent): boolean {
  return (
    head.partitionKey === event.partitionKey &&
    head.publisherBackend === event.publisherBackend &&
    (head.seq ?? 0) < (event.seq ?? 0) &&
    (head.status === 'retry' || head.availableAt !== null)
  )
}
