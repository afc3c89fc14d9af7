import { errorPattern } from '../foundation/error-pattern.ts'
import { fingerprintOf } from '../record/error-cause.ts'
import type { OutboxEvent } from '../record/outbox-event.ts'

/** Failed events whose error is the same but for what differs from event to event. */
export interface FailedGroup {
  readonly backend: string
  readonly fingerprint: string
  /** Some were stored before there was a fingerprint beside the error: it finds not all of them. */
  readonly someOld: boolean
  /** The newest, whose error is the sample. */
  readonly newest: OutboxEvent
  readonly count: number
  readonly keys: ReadonlySet<string>
  readonly blockedKeys: ReadonlySet<string>
  readonly types: ReadonlySet<string>
  readonly first: Date
  readonly last: Date
}

/** Types that are named for a group. */
const TYPES = 10

/** Groups by backend and fingerprint, the largest first. The events come newest first. Pure. */
export function groupFailures(events: Iterable<OutboxEvent>): readonly FailedGroup[] {
  const groups = new Map<string, Growing>()
  for (const event of events) {
    const { publisherBackend: backend, partitionKey, eventType, availableAt, updatedAt } = event
    const stored = event.errorFingerprint
    const fingerprint = stored ?? fingerprintOf(errorPattern(event.lastError))
    const name = JSON.stringify([backend, fingerprint])
    let group = groups.get(name)
    if (group === undefined) {
      group = {
        backend,
        fingerprint,
        someOld: false,
        newest: event,
        count: 0,
        keys: new Set(),
        blockedKeys: new Set(),
        types: new Set(),
        first: updatedAt,
        last: updatedAt,
      }
      groups.set(name, group)
    }
    group.count++
    if (stored === null) group.someOld = true
    if (updatedAt < group.first) group.first = updatedAt
    if (updatedAt > group.last) {
      group.last = updatedAt
      group.newest = event
    }
    if (group.types.size < TYPES) group.types.add(eventType)
    if (partitionKey === null) continue
    group.keys.add(partitionKey)
    if (availableAt !== null) group.blockedKeys.add(partitionKey)
  }
  return [...groups.values()].sort((a, b) => b.count - a.count || b.last.getTime() - a.last.getTime())
}

interface Growing extends FailedGroup {
  newest: OutboxEvent
  someOld: boolean
  count: number
  readonly keys: Set<string>
  readonly blockedKeys: Set<string>
  readonly types: Set<string>
  first: Date
  last: Date
}

/** What is known of a cause, for a person about to requeue. */
export type CauseState = 'still' | 'stopped' | 'unknown'

/** The last failure is so near that it goes on, in milliseconds. */
const LATELY = 300_000

/**
 * Whether failures of a group still happen. `sentSince`: something of its backend was delivered after its last failure. Where nothing
 * is sent, it is not known. Pure.
 */
export function failureState(last: Date, now: Date, sentSince: boolean | null): CauseState {
  if (sentSince === null) return 'unknown'
  if (now.getTime() - last.getTime() < LATELY) return 'still'
  return sentSince ? 'stopped' : 'unknown'
}
