import type { NewOutboxEvent } from '../../record/columns.ts'
import type { MemoryOutbox, MemoryRow } from './memory-outbox.ts'

/** Makes the row of a new event, which is not stored yet. All rows of one statement have one `now`. */
export function newRow(outbox: MemoryOutbox, event: NewOutboxEvent, now: number): MemoryRow {
  const scheduledAt = event.scheduledAt?.getTime() ?? now + event.delay
  const { keyHash, delay, ...columns } = structuredClone(event)
  return {
    ...columns,
    seq: outbox.nextSeq(),
    lane: keyHash === null ? Math.floor(Math.random() * outbox.laneCount) : keyHash % outbox.laneCount,
    status: 'pending',
    createdAt: new Date(now),
    updatedAt: new Date(now),
    scheduledAt: new Date(scheduledAt),
    publishedAt: null,
    availableAt: scheduledAt > now ? new Date(scheduledAt) : null,
    retryCount: 0,
    lastError: '',
    attempts: null,
    progress: null,
    generation: 0,
  }
}
