import { FAR_FUTURE, SEND_COLUMNS } from '../../record/columns.ts'
import { UNSETTLED } from '../../record/status.ts'
import type { FetchedRow, HeldHead, RelayStore } from '../relay-store.ts'
import { copyColumns, type MemoryOutbox, type MemoryRow } from './memory-outbox.ts'
import { MemoryTransaction } from './memory-transaction.ts'
import { ownsLane, settle } from './settle.ts'

/** What the relay does with events, in memory. */
export function memoryRelay(outbox: MemoryOutbox): RelayStore {
  const unsettled = (names: readonly string[], lanes: readonly number[]): readonly MemoryRow[] =>
    outbox.bySeq(
      (row) => UNSETTLED.includes(row.status) && names.includes(row.publisherBackend) && lanes.includes(row.lane),
    )

  return {
    async fetch(names, cursors) {
      const left = new Map(cursors.map(({ lane, after, limit }) => [lane, { after, limit }]))
      const rows = unsettled(names, [...left.keys()]).filter((row) => {
        const cursor = left.get(row.lane)
        return cursor && row.availableAt === null && row.seq > cursor.after && cursor.limit-- > 0
      })
      return rows.map((row) => copyColumns(row, SEND_COLUMNS) as FetchedRow)
    },

    async unpark(names, lanes, limitPerLane) {
      const now = outbox.now()
      const woken: { lane: number; firstSeq: number; count: number }[] = []
      for (const lane of lanes) {
        const due = unsettled(names, [lane])
          .filter((row) => row.availableAt !== null && row.availableAt.getTime() <= now)
          .sort((a, b) => timeOf(a) - timeOf(b))
          .slice(0, limitPerLane)
        for (const row of due) row.availableAt = null
        if (due.length > 0) woken.push({ lane, firstSeq: Math.min(...due.map((row) => row.seq)), count: due.length })
      }
      const parked = unsettled(names, lanes).filter(
        (row) => row.availableAt !== null && timeOf(row) !== FAR_FUTURE.getTime(),
      )
      const next = Math.min(...parked.map(timeOf))
      return { woken, nextDueIn: parked.length === 0 ? null : Math.max(0, next - now) }
    },

    async settle(ownership, outcomes) {
      return settle(outbox, ownership, outcomes)
    },

    async reconcile(names, lanes) {
      const blocking = outbox.bySeq(
        (row) =>
          row.status === 'failed' &&
          row.availableAt !== null &&
          row.partitionKey !== null &&
          names.includes(row.publisherBackend) &&
          lanes.includes(row.lane),
      )
      for (const row of unsettled(names, lanes)) {
        const held = blocking.some((head) => head.lane === row.lane && head.partitionKey === row.partitionKey)
        if (row.availableAt?.getTime() === FAR_FUTURE.getTime() && !held) row.availableAt = null
      }
      const now = outbox.now()
      for (const row of unsettled(names, lanes)) if (isOrphan(outbox, row, now)) row.availableAt = null
      const retries = unsettled(names, lanes).filter(
        (row) => row.status === 'retry' && row.availableAt !== null && row.partitionKey !== null,
      )
      const retrying = retries.filter((row) => timeOf(row) > now)
      for (const row of retries) if (timeOf(row) <= now) row.availableAt = null
      return [...blocking, ...retrying].flatMap((row): readonly HeldHead[] => {
        const { id, seq, lane, partitionKey, generation } = row
        if (partitionKey === null) return []
        return [{ id, seq, lane, partitionKey, generation, dueIn: row.status === 'failed' ? null : timeOf(row) - now }]
      })
    },

    async settleInTransaction(ownership, work) {
      const tx = new MemoryTransaction(outbox)
      try {
        const outcome = await work(tx)
        const row = outcome && outbox.rows.get(outcome.id)
        const records =
          outcome?.kind === 'published' &&
          row !== undefined &&
          row.generation === outcome.generation &&
          row.lane === outcome.lane &&
          UNSETTLED.includes(row.status) &&
          ownsLane(outbox, ownership, row.lane)
        if (!records || !tx.commit()) return { outcome, recorded: false }
        settle(outbox, ownership, [outcome])
        return { outcome, recorded: true }
      } finally {
        tx.rollback()
      }
    },

    async waitingNames(limit) {
      const rows = outbox.bySeq((row) => UNSETTLED.includes(row.status))
      return [...new Set(rows.map((row) => row.publisherBackend))].slice(0, limit)
    },

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

function timeOf(row: MemoryRow): number {
  return row.availableAt?.getTime() ?? Number.NEGATIVE_INFINITY
}

/** Parked behind an event between retries that is there no more, and not by its own time: nothing keeps it waiting. */
function isOrphan(outbox: MemoryOutbox, row: MemoryRow, now: number): boolean {
  const parked = row.availableAt !== null && timeOf(row) > now && timeOf(row) !== FAR_FUTURE.getTime()
  if (!parked || row.status === 'retry' || row.partitionKey === null || row.scheduledAt.getTime() > now) return false
  return !outbox
    .bySeq((head) => head.lane === row.lane && head.partitionKey === row.partitionKey && head.availableAt !== null)
    .some(
      (head) =>
        head.publisherBackend === row.publisherBackend &&
        (head.status === 'failed' || (head.status === 'retry' && timeOf(head) > now)),
    )
}
