import { FAR_FUTURE } from '../../record/columns.ts'
import { UNSETTLED } from '../../record/status.ts'
import type { AdminStore, BackendStats } from '../admin-store.ts'
import { list, matching } from './list.ts'
import type { MemoryOutbox, MemoryRow } from './memory-outbox.ts'
import { hold, lift, move } from './move.ts'

/** What operators and `broadcaster.events` need, in memory. */
export function memoryAdmin(outbox: MemoryOutbox): AdminStore {
  return {
    async list(query) {
      return list(outbox, query)
    },
    async count(where) {
      return matching(outbox, where).length
    },
    async hold(ids, duration) {
      return hold(outbox, ids, duration)
    },
    async move(ids, wanted, holds) {
      return move(outbox, ids, wanted, holds)
    },
    async lift(holds) {
      lift(outbox, holds, () => true)
    },
    async stats() {
      const rows = outbox.bySeq((row) => UNSETTLED.includes(row.status) || row.status === 'failed')
      const names = [
        ...new Set([...rows.map((row) => row.publisherBackend), ...outbox.lanes.map(({ backend }) => backend)]),
      ].sort()
      return {
        backends: names.map((backend) =>
          backendStats(
            backend,
            rows.filter((row) => row.publisherBackend === backend),
            outbox.now(),
          ),
        ),
        totalRows: outbox.rows.size,
        totalRowsIsEstimate: false,
      }
    },
  }
}

function backendStats(backend: string, rows: readonly MemoryRow[], now: number): BackendStats {
  const failed = rows.filter((row) => row.status === 'failed')
  const unsettled = rows.filter((row) => row.status !== 'failed')
  const due = unsettled.filter((row) => row.availableAt === null)
  const parked = unsettled.filter((row) => row.availableAt !== null)
  return {
    backend,
    pending: due.length,
    parked: parked.length,
    blocked: parked.filter((row) => row.availableAt?.getTime() === FAR_FUTURE.getTime()).length,
    retrying: unsettled.filter((row) => row.status === 'retry').length,
    failed: failed.length,
    blockedKeys: new Set(failed.filter((row) => row.availableAt !== null).map((row) => row.partitionKey)).size,
    oldestPendingAge: due.length === 0 ? null : now - Math.min(...due.map((row) => row.scheduledAt.getTime())),
  }
}
