import type { InsertedRow, NewOutboxEvent, OutboxEventColumns } from '../../record/columns.ts'
import { insertRows } from '../insert-rows.ts'
import type { PublishStore } from '../store.ts'
import type { MemoryOutbox, MemoryRow } from './memory-outbox.ts'

/** The text of a memory statement, whose values are the records themselves. */
export const INSERT = ['insert ', ''] as const
export const FIND_DUPLICATE = ['find the duplicate of ', ''] as const

export const memoryPublish: PublishStore = {
  insert: (rows) =>
    insertRows(rows, {}, function* (some) {
      const returned = (yield { strings: INSERT, values: [some] }) as unknown as readonly InsertedRow[]
      return returned.map(({ id, seq, lane, createdAt, updatedAt, scheduledAt, availableAt }) => {
        return { id, seq, lane, createdAt, updatedAt, scheduledAt, availableAt }
      })
    }),
  *findDuplicate(row) {
    const [found] = yield { strings: FIND_DUPLICATE, values: [row] }
    return found as Partial<OutboxEventColumns> | undefined
  },
}

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
    errorCode: null,
    errorFingerprint: null,
  }
}
