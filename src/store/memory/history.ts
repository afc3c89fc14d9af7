import {
  addedRows,
  addedValues,
  type BreakerName,
  FLOW_SPANS,
  type HistoryStore,
  MOST_FLOW_ROWS,
  MOST_OUTAGES,
  type OutageEntry,
  TIMED_COLUMNS,
} from '../history-store.ts'
import { copyColumns, type MemoryOutbox } from './memory-outbox.ts'

/** What happened to the outbox. */
export function memoryHistory(outbox: MemoryOutbox): HistoryStore {
  const { history } = outbox
  const now = (): number => Math.floor(outbox.now() / 1_000)
  const changeOpen = (
    { backend, destination }: BreakerName,
    change: (row: OutageEntry) => Partial<OutageEntry>,
  ): void => {
    history.outages = history.outages.map((row) =>
      row.backend === backend && row.destination === destination && row.closedAt === null
        ? { ...row, ...change(row) }
        : row,
    )
  }
  const date = (): Date => new Date(outbox.now())
  return {
    async count(flow) {
      for (const { seconds: span, kept } of FLOW_SPANS) {
        const began = Math.floor(now() / span) * span
        for (const row of addedRows(flow)) {
          const name = JSON.stringify([span, began, row.backend])
          const old = history.flow.get(name)
          const [delivered = 0, retried = 0, failed = 0, ...took] = addedValues(row).map(
            (count, n) => count + (old === undefined ? 0 : (addedValues(old)[n] ?? 0)),
          )
          const given = row.backend === '' ? Math.max(row.seq, outbox.lastSeq) : 0
          const seq = Math.max(old?.seq ?? 0, given)
          history.flow.set(name, { span, began, backend: row.backend, seq, delivered, retried, failed, took })
        }
        for (const [name, one] of history.flow) {
          if (one.span === span && (one.began < now() - span * kept || one.began > now() + span))
            history.flow.delete(name)
        }
      }
    },
    async timed(ids) {
      return ids.flatMap((id) => {
        const row = outbox.rows.get(id)
        return row === undefined ? [] : [copyColumns(row, TIMED_COLUMNS)]
      })
    },
    async flow(seconds, spans) {
      const from = Math.floor(now() / seconds) * seconds - seconds * spans
      const rows = [...history.flow.values()]
        .filter(({ span, began }) => span === seconds && began >= from && began <= now())
        .sort((a, b) => a.began - b.began || (a.backend < b.backend ? -1 : 1))
        .slice(0, MOST_FLOW_ROWS)
      return { now: date(), rows: rows.map(({ span: _, ...row }) => row) }
    },
    async opened(breaker, by, reason) {
      changeOpen(breaker, () => ({ closedAt: date() }))
      const never = { probes: 0, probedAt: null, lastError: '', closedAt: null, closedBy: '' }
      const { backend, destination } = breaker
      const row = { id: history.next(), backend, destination, openedAt: date(), openedBy: by, reason, ...never }
      const all = [...history.outages, row]
      const own = all.filter((one) => one.backend === backend)
      const dropped = new Set(own.slice(0, Math.max(0, own.length - MOST_OUTAGES)))
      history.outages = all.filter((one) => !dropped.has(one))
    },
    async probed(breaker) {
      changeOpen(breaker, ({ probes }) => ({ probes: probes + 1, probedAt: date() }))
    },
    async stillDown(breaker, error) {
      changeOpen(breaker, () => ({ lastError: error }))
    },
    async closed(breaker, by) {
      changeOpen(breaker, () => ({ closedAt: date(), closedBy: by }))
    },
    async outages({ backend, before, limit }) {
      const matches = (one: OutageEntry): boolean =>
        (backend === undefined || one.backend === backend) && (before === null || one.id < before)
      return history.outages.filter(matches).toReversed().slice(0, limit)
    },
  }
}
