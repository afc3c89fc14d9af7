import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { FetchedEvent } from '../record/fetched-event.ts'
import type { FetchedRow } from '../store/relay-store.ts'
import { bytesOf } from './bounded-fetch.ts'
import type { Lane } from './lane.ts'
import { MOST_ATTEMPTS } from './retry.ts'
import type { Traffic } from './traffic.ts'

/** An event in this worker's memory: fetched, and not settled yet. */
export interface HeldEvent {
  readonly id: string
  readonly seq: number
  /** The ownership of the lane under which it was fetched. */
  readonly lane: Lane
  /** Of its data. */
  readonly bytes: number
  /** The row's generation when it was fetched: its outcome is recorded for that one alone. */
  readonly generation: number
  readonly key: string | null
  readonly retryCount: number
  readonly maxRetries: number
  readonly event: OutgoingEvent
  /** As it was fetched. */
  readonly row: FetchedRow
  /** It may have been in flight when a worker died: the store says `processing` before it is sent. */
  readonly marked: boolean
  /** The store says so, by our word: that must be taken back when it is not sent. */
  sending: boolean
  /** It may have killed its worker: sent by itself, with the attempt counted before the send. */
  readonly alone: boolean
  /** A send of it did not end, or it was refused like all when no other was: sent by itself, so that others go on. */
  apart: boolean
  /** The place behind the backend that it goes to; undefined = the backend as a whole. */
  readonly destination: string | undefined
}

/** A fetched row as the relay carries it. `suspect`: it may have been in flight when its lane's last owner died. */
export function takeInHand(
  row: FetchedRow,
  lane: Lane,
  suspect: boolean,
  apart: boolean,
  traffic: Pick<Traffic, 'placeOf'>,
): HeldEvent {
  const { id, seq, generation, partitionKey: key, retryCount, maxRetries } = row
  const alone = row.status === 'processing'
  const event = new FetchedEvent(row)
  const marked = suspect || alone
  const destination = traffic.placeOf(event)
  return {
    id,
    seq,
    lane,
    bytes: bytesOf(row),
    generation,
    key,
    retryCount,
    maxRetries,
    event,
    row,
    marked,
    sending: false,
    alone,
    apart,
    destination,
  }
}

/** Its sends ended with the death of the worker as often as it may be tried. */
export function hasKilledEnough(held: HeldEvent): boolean {
  return held.alone && held.retryCount >= Math.max(1, Math.min(held.maxRetries, MOST_ATTEMPTS))
}

/** The attempt that an outcome of the event belongs to. */
export function attemptOf({ id, lane, generation }: HeldEvent): Pick<FetchedRow, 'id' | 'lane' | 'generation'> {
  return { id, lane: lane.number, generation }
}
