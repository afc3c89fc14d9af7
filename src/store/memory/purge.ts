import type { RetentionStore } from '../retention-store.ts'
import type { MemoryOutbox } from './memory-outbox.ts'

/** Deletes settled events when their time is over, in memory. */
export function memoryRetention(outbox: MemoryOutbox): RetentionStore {
  return {
    async purge({ publishedFor, failedFor, limit }) {
      const now = outbox.now()
      const old = outbox.bySeq((row) => {
        if (row.status === 'published') {
          return publishedFor !== null && row.publishedAt !== null && row.publishedAt.getTime() <= now - publishedFor
        }
        const givenUp = row.status === 'failed' || row.status === 'cancelled'
        return givenUp && failedFor !== null && row.updatedAt.getTime() <= now - failedFor
      })
      const purged = old.slice(0, limit)
      for (const row of purged) outbox.remove(row)
      // What waits behind a failed event that is gone is released by the lane's owner.
      outbox.raiseAttention(purged.filter((row) => row.status === 'failed' && row.availableAt !== null))
      return purged.length
    },
  }
}
