import { placeOfSeq, type RetentionStore, SETTLED, seqOfPlace } from '../retention-store.ts'
import type { MemoryOutbox, MemoryRow } from './memory-outbox.ts'

/** Deletes settled events when their time is over, in memory. */
export function memoryRetention(outbox: MemoryOutbox): RetentionStore {
  const settledAt = (row: MemoryRow): Date => (row.status === 'published' && row.publishedAt) || row.updatedAt
  const versionOf = (row: MemoryRow): string => `${row.status} ${row.generation} ${settledAt(row).getTime()}`
  const blocks = (row: MemoryRow): boolean => row.status === 'failed' && row.availableAt !== null
  return {
    async walk({ after, rows, ages, upTo }) {
      const now = outbox.now()
      const page = outbox.bySeq(({ seq }) => after === null || seq > seqOfPlace(after)).slice(0, rows)
      const events = page.flatMap((row) => {
        const status = SETTLED.find((each) => each === row.status)
        if (status === undefined) return []
        const [limit, last, age, place] = [
          ages[status],
          upTo[status],
          now - settledAt(row).getTime(),
          placeOfSeq(row.seq),
        ]
        const isOld = limit !== null && age >= limit
        const counts = !blocks(row)
        if (!isOld && !(counts && last !== null && place <= last)) return []
        return [{ id: row.id, eventType: row.eventType, status, age, place, counts, version: versionOf(row) }]
      })
      return { events, next: page.length < rows ? null : placeOfSeq(page.at(-1)?.seq) }
    },
    async remove(events) {
      const purged = events.flatMap(({ id, version }) => {
        const row = outbox.rows.get(id)
        return row !== undefined && versionOf(row) === version ? [row] : []
      })
      for (const row of purged) outbox.remove(row)
      // What waits behind a deleted failed event is released by the lane's owner.
      outbox.raiseAttention(purged.filter(blocks))
      return purged.length
    },
    async census(before, rows, from = null) {
      const older = outbox.bySeq(
        ({ seq }) => (before === null || seq < seqOfPlace(before)) && (from === null || seq >= seqOfPlace(from)),
      )
      const page = older.slice(-rows)
      // One group for each row: nobody minds, and the caller adds them up.
      const groups = page.flatMap((row) => {
        const status = SETTLED.find((each) => each === row.status)
        return status === undefined || blocks(row) ? [] : [{ status, eventType: row.eventType, count: 1 }]
      })
      const [oldest] = page
      return { groups, last: oldest === undefined ? null : placeOfSeq(oldest.seq) }
    },
  }
}
