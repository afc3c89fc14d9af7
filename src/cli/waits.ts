import type { OpenBreaker } from '../admin/status.ts'
import { stringifyJson } from '../event/json.ts'
import { FetchedEvent } from '../record/fetched-event.ts'
import type { OutboxEvent } from '../record/outbox-event.ts'
import { UNSETTLED } from '../record/status.ts'
import { destinationName } from '../relay/destination-name.ts'
import type { Configured } from './config-file.ts'
import { placeOf } from './open-breakers.ts'

/** As many heads of keys are read for one list. A key has one, or a few that wait for their retry. */
const MOST = 1_000
/** Events read with their data at a time, to learn their destinations. */
const AT_A_TIME = 100

type Outbox = Pick<Configured, 'broadcaster' | 'destinationOf'>

/**
 * What unsettled events wait for beside their due time, by their ids: the event of their key that failed or is being tried
 * again, the end of its backend's pause, or a breaker that is open, of its backend or of the place behind it. Two small queries
 * for any number of events, and where destinations are down one more for each hundred events that may go there, up to a
 * thousand.
 */
export async function waitsOf(outbox: Outbox, events: readonly OutboxEvent[]): Promise<ReadonlyMap<string, string>> {
  const { broadcaster } = outbox
  const waiting = events.filter(({ status }) => UNSETTLED.includes(status))
  if (waiting.length === 0) return new Map()
  const keys = new Set(waiting.flatMap(({ partitionKey }) => partitionKey ?? []))
  const lanes = new Set(waiting.flatMap(({ lane }) => lane ?? []))
  const [heads, breakers, pauses] = await Promise.all([
    keys.size === 0
      ? []
      : broadcaster.admin
          .filter({ status: ['retry', 'failed'], lane: { in: [...lanes] }, partitionKey: { in: [...keys] } })
          .orderBy('seq')
          .limit(MOST)
          .all(),
    broadcaster.admin.openBreakers(),
    broadcaster.admin.pauses(),
  ])
  const open = new Set(breakers.filter((one) => one.destination === '').map(({ backend }) => backend))
  const paused = new Set(pauses.map(({ backend }) => backend))
  const waits = new Map<string, string>()
  for (const event of waiting) {
    const head = heads.find((one) => blocks(one, event))
    if (head !== undefined) waits.set(event.id, head.id)
    else if (paused.has(event.publisherBackend)) waits.set(event.id, `${event.publisherBackend}, which is paused`)
    else if (open.has(event.publisherBackend)) waits.set(event.id, `the breaker of ${event.publisherBackend}`)
  }
  const rest = waiting.filter(({ id }) => !waits.has(id))
  for (const [id, breaker] of await placesAway(outbox, rest, breakers))
    waits.set(id, `the breaker of ${placeOf(breaker)}`)
  return waits
}

/** The open breakers of places that events go to, by their ids. Where an event goes may depend on its data, so that is read. */
async function placesAway(
  { broadcaster, destinationOf }: Outbox,
  events: readonly OutboxEvent[],
  breakers: readonly OpenBreaker[],
): Promise<ReadonlyMap<string, OpenBreaker>> {
  const away = breakers.filter(({ destination }) => destination !== '')
  const behind = new Set(away.map(({ backend }) => backend))
  const ids = events.filter(({ publisherBackend }) => behind.has(publisherBackend)).map(({ id }) => id)
  const found = new Map<string, OpenBreaker>()
  for (let at = 0; at < Math.min(ids.length, MOST); at += AT_A_TIME) {
    const some = ids.slice(at, at + AT_A_TIME)
    const read = await broadcaster.admin
      .filter({ id: { in: some } })
      .include('data', 'dataBinary', 'progress')
      .limit(AT_A_TIME)
      .all()
    for (const event of read) {
      const { publisherBackend: backend } = event
      const place = placeAsked(() => destinationOf(backend, outgoing(event)))
      const breaker = away.find((one) => one.backend === backend && one.destination === place)
      if (breaker !== undefined) found.set(event.id, breaker)
    }
  }
  return found
}

/** As the relay names it. A function of the user's may throw: the send says why. */
function placeAsked(ask: () => unknown): string | undefined {
  try {
    const name = ask()
    return typeof name === 'string' ? destinationName(name) : undefined
  } catch {
    return undefined
  }
}

/** The record as its backend gets it. */
function outgoing(event: OutboxEvent): FetchedEvent {
  const { id, seq, lane, partitionKey, eventId, specVersion, eventType, source, subject, dataContentType } = event
  const { dataSchema, dataJson, dataBinary, status, createdAt, retryCount, maxRetries, publisherBackend } = event
  return new FetchedEvent({
    ...{ id, seq, lane, partitionKey, eventId, specVersion, eventType, source, subject, dataContentType },
    ...{ dataSchema, data: dataJson, dataBinary, status, createdAt, retryCount, maxRetries, publisherBackend },
    extensions: stringifyJson(event.extensions),
    publisherConfig: stringifyJson(event.publisherConfig),
    progress: event.progress === null ? null : stringifyJson(event.progress),
    eventTime: event.time,
    generation: event.generation,
  })
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
