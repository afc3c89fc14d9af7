import { FAR_FUTURE } from '../../record/columns.ts'
import { UNSETTLED } from '../../record/status.ts'
import type { CoordinationStore } from '../coordination-store.ts'
import { BACKENDS_LOOKED_AT, type BackendCounts, backendCounts, keysHeld, type OutboxLook } from '../outbox-look.ts'
import type { MemoryOutbox, MemoryRow } from './memory-outbox.ts'

/** All at once: what it awaits is already there, so nothing comes in between. */
export async function look(outbox: MemoryOutbox, coordination: CoordinationStore): Promise<OutboxLook> {
  const now = outbox.now()
  const rows = outbox.bySeq((row) => UNSETTLED.includes(row.status) || row.status === 'failed')
  const named = new Set([...rows.map((row) => row.publisherBackend), ...outbox.lanes.map(({ backend }) => backend)])
  const names = [...named].sort().slice(0, BACKENDS_LOOKED_AT)
  const survey = coordination.look(names)
  const away = names.map(async (backend) =>
    (await coordination.destinations.list(backend)).map((one) => ({ backend, ...one })),
  )
  const looked = {
    now: new Date(now),
    backends: names.map((name) =>
      countsOf(
        name,
        rows.filter((row) => row.publisherBackend === name),
        now,
      ),
    ),
    blockedKeys: keysHeld(
      rows
        .filter((row) => blocks(row))
        .sort((a, b) => a.lane - b.lane || a.seq - b.seq)
        .map(({ publisherBackend, partitionKey, id, updatedAt }) => ({
          backend: publisherBackend,
          partitionKey: partitionKey ?? '',
          heldBy: id,
          since: Math.max(0, now - updatedAt.getTime()),
        })),
    ),
    totalRows: outbox.rows.size,
    totalRowsIsEstimate: false,
    inboxRows: outbox.inbox.size,
  }
  return { ...looked, ...(await survey), destinations: (await Promise.all(away)).flat() }
}

function countsOf(backend: string, rows: readonly MemoryRow[], now: number): BackendCounts {
  const failed = rows.filter((row) => row.status === 'failed')
  const unsettled = rows.filter((row) => row.status !== 'failed')
  const until = ({ availableAt }: MemoryRow): number => availableAt?.getTime() ?? Number.NEGATIVE_INFINITY
  const ready = unsettled.filter((row) => until(row) <= now)
  const later = unsettled.filter((row) => until(row) > now && until(row) !== FAR_FUTURE.getTime())
  const retrying = unsettled.filter((row) => row.status === 'retry')
  const ages = ready.filter((row) => isDue(row, now)).map((row) => Math.max(0, now - row.scheduledAt.getTime()))
  return backendCounts(backend, {
    ready: ready.length,
    blocked: unsettled.filter((row) => until(row) === FAR_FUTURE.getTime()).length,
    later: later.length,
    delayed: later.filter((row) => isDue(row, now)).length,
    troubled: retrying.length + failed.length,
    retrying: retrying.length,
    failed: failed.length,
    blockedKeys: new Set(failed.filter(blocks).map((row) => row.partitionKey)).size,
    oldestReadyAge: ages.length === 0 ? null : Math.max(...ages),
  })
}

function blocks(row: MemoryRow): boolean {
  return row.status === 'failed' && row.availableAt !== null && row.partitionKey !== null
}

/** What was due when its row was last written stays due, even if the clock was set back since. */
function isDue({ scheduledAt, createdAt, updatedAt }: MemoryRow, now: number): boolean {
  return scheduledAt.getTime() <= Math.max(now, createdAt.getTime(), updatedAt.getTime())
}
