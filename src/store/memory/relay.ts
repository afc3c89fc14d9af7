import { DATA_COLUMNS, FAR_FUTURE, SEND_COLUMNS } from '../../record/columns.ts'
import { UNSETTLED } from '../../record/status.ts'
import {
  CLOCK_AHEAD,
  type FetchedRow,
  firstThatFit,
  type HeldHead,
  LONGEST_PARKING,
  type RelayStore,
} from '../relay-store.ts'
import { copyColumns, type MemoryOutbox, type MemoryRow } from './memory-outbox.ts'
import { MemoryTransaction } from './memory-transaction.ts'
import { ownsLane, settle } from './settle.ts'

/** What the relay does with events, in memory. */
export function memoryRelay(outbox: MemoryOutbox): RelayStore {
  const unsettled = (names: readonly string[], lanes: readonly number[]): readonly MemoryRow[] =>
    outbox.bySeq(
      (row) => UNSETTLED.includes(row.status) && names.includes(row.publisherBackend) && lanes.includes(row.lane),
    )
  // What was due when it was written stays due when the clock is set back.
  const isDue = ({ scheduledAt, createdAt, updatedAt }: MemoryRow): boolean =>
    scheduledAt.getTime() <= Math.max(outbox.now(), createdAt.getTime(), updatedAt.getTime())

  return {
    async fetch(names, cursors, mostData = Number.POSITIVE_INFINITY) {
      const left = new Map(cursors.map(({ lane, after, limit }) => [lane, { after, limit }]))
      const rows = unsettled(names, [...left.keys()]).filter((row) => {
        const cursor = left.get(row.lane)
        return cursor && row.availableAt === null && isDue(row) && row.seq > cursor.after && cursor.limit-- > 0
      })
      return rows.map((row) => {
        const { data, dataBinary, ...rest } = copyColumns(row, SEND_COLUMNS) as FetchedRow
        const bytes = bytesOf(row)
        const isLeftOut = bytes > mostData
        return { ...rest, ...(isLeftOut ? NO_DATA : { data, dataBinary }), withheld: isLeftOut ? bytes : null }
      })
    },

    async fetchData(rows, bytes) {
      const found = firstThatFit(rows, bytes).map(({ id }) => outbox.rows.get(id))
      return found.flatMap((row) => (row === undefined ? [] : [copyColumns(row, DATA_COLUMNS)]))
    },

    async lastSeq(names, lane) {
      return unsettled(names, [lane]).findLast((row) => row.availableAt === null)?.seq
    },

    async unpark(names, lanes, limitPerLane) {
      const now = outbox.now()
      const woken: { lane: number; firstSeq: number; count: number }[] = []
      const heads: string[] = []
      const more: number[] = []
      for (const lane of lanes) {
        const all = unsettled(names, [lane])
          .filter((row) => row.availableAt !== null && row.availableAt.getTime() <= now)
          .sort((a, b) => timeOf(a) - timeOf(b))
        const due = all.slice(0, limitPerLane)
        if (all.length > due.length) more.push(lane)
        for (const row of due) {
          row.availableAt = null
          row.updatedAt = new Date(Math.max(row.updatedAt.getTime(), now))
        }
        heads.push(...due.filter((row) => row.status === 'retry' && row.partitionKey !== null).map(({ id }) => id))
        if (due.length > 0) woken.push({ lane, firstSeq: Math.min(...due.map((row) => row.seq)), count: due.length })
      }
      const parked = unsettled(names, lanes).filter(
        (row) => row.availableAt !== null && timeOf(row) !== FAR_FUTURE.getTime(),
      )
      const next = Math.min(...parked.map(timeOf))
      return { woken, heads, locked: [], more, nextDueIn: parked.length === 0 ? null : Math.max(0, next - now) }
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
      for (const row of unsettled(names, lanes)) waitFromNow(row, now)
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
  }
}

const NO_DATA = { data: null, dataBinary: null }

function bytesOf({ data, dataBinary }: MemoryRow): number {
  return Buffer.byteLength(data ?? '') + (dataBinary?.byteLength ?? 0)
}

function timeOf(row: MemoryRow): number {
  return row.availableAt?.getTime() ?? Number.NEGATIVE_INFINITY
}

/** A retry that was written while the clock was ahead waits for its delay from now. */
function waitFromNow(row: MemoryRow, now: number): void {
  const ahead = row.updatedAt.getTime() - now
  if (row.status !== 'retry' || timeOf(row) <= now || ahead <= CLOCK_AHEAD) return
  row.scheduledAt = row.availableAt = new Date(timeOf(row) - ahead)
  row.updatedAt = new Date(now)
}

/**
 * Parked, but neither by its own time nor behind an event between retries, or for longer than that one: nothing keeps
 * it waiting. One without a key waits for a destination that is down, for a while.
 */
function isOrphan(outbox: MemoryOutbox, row: MemoryRow, now: number): boolean {
  const parked = row.availableAt !== null && timeOf(row) > now && timeOf(row) !== FAR_FUTURE.getTime()
  // Nothing in its row was ever written so late, so this is its own due time.
  const latest = Math.max(now, row.createdAt.getTime(), row.updatedAt.getTime())
  if (!parked || row.status === 'retry' || row.scheduledAt.getTime() > latest) return false
  if (row.partitionKey === null) return timeOf(row) > now + LONGEST_PARKING
  return !outbox
    .bySeq((head) => head.lane === row.lane && head.partitionKey === row.partitionKey && head.availableAt !== null)
    .some(
      (head) =>
        head.publisherBackend === row.publisherBackend &&
        timeOf(head) >= timeOf(row) &&
        (head.status === 'failed' || (head.status === 'retry' && timeOf(head) > now)),
    )
}
