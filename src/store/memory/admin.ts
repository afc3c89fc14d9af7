import type { OutboxEventColumns } from '../../record/columns.ts'
import { UNSETTLED } from '../../record/status.ts'
import type { AdminStore, Condition, FilterValue, Query } from '../admin-store.ts'
import { type BlockedHeads, type BlockedHeadsQuery, pageOfHeads } from '../blocked-heads.ts'
import type { CoordinationStore } from '../coordination-store.ts'
import { lanesOf, waitsOf } from '../key-waits.ts'
import { look } from './look.ts'
import { copyColumns, type MemoryOutbox, type MemoryRow } from './memory-outbox.ts'
import { hold, lift, move, moveStep } from './move.ts'

/** What operators and `broadcaster.events` need, in memory. */
export function memoryAdmin(outbox: MemoryOutbox, coordination: CoordinationStore): AdminStore {
  return {
    async list(query) {
      return list(outbox, query)
    },
    async count(where, limit = Number.POSITIVE_INFINITY) {
      return Math.min(limit, matching(outbox, where).length)
    },
    async walk({ where, after, rows, limit }) {
      const behind = [...outbox.rows.values()].filter(({ id }) => after === null || id > after)
      const window = behind.toSorted((a, b) => (a.id < b.id ? -1 : 1)).slice(0, rows)
      const matches = new Set(matching(outbox, where))
      const ids = window
        .filter((row) => matches.has(row))
        .map(({ id }) => id)
        .slice(0, limit)
      const end = window.length === rows ? (window.at(-1)?.id ?? null) : null
      return { ids, next: ids.length === limit ? (ids.at(-1) ?? null) : end }
    },
    async hold(ids, duration) {
      return hold(outbox, ids, duration)
    },
    async move(ids, wanted, holds, { where = [], step, entry } = {}) {
      const meets = (row: MemoryRow): boolean => where.every((condition) => meetsCondition(outbox, row, condition))
      const meant = { meets, entry }
      return step ? moveStep(outbox, step, ids, wanted, holds, meant) : move(outbox, ids, wanted, holds, meant)
    },
    async lift(holds) {
      lift(outbox, holds, () => true)
    },
    async waiting(keys, rows) {
      const open = outbox.bySeq(({ status }) => UNSETTLED.includes(status))
      const read = lanesOf(keys).flatMap((of) => {
        const here = open.filter((row) => row.publisherBackend === of.backend && row.lane === of.lane)
        const hot = here.filter(({ availableAt }) => availableAt === null).slice(0, rows + 1)
        const parked = here.filter(({ availableAt }) => availableAt !== null)
        parked.sort((a, b) => Number(b.availableAt) - Number(a.availableAt))
        const rowOf = (part: string, { partitionKey }: MemoryRow) => ({ ...of, part, partitionKey, count: 1 })
        return [...hot.map((row) => rowOf('hot', row)), ...parked.slice(0, rows + 1).map((row) => rowOf('parked', row))]
      })
      return waitsOf(keys, read, rows)
    },
    async blockedHeads(query) {
      return blockedHeads(outbox, query)
    },
    look: async () => look(outbox, coordination),
  }
}

function blockedHeads(outbox: MemoryOutbox, { backend, after, limit, rows }: BlockedHeadsQuery): BlockedHeads {
  const troubled = [...outbox.rows.values()]
    .filter(
      ({ publisherBackend, status }) => publisherBackend === backend && (status === 'failed' || status === 'retry'),
    )
    .filter(({ lane, seq }) => after === null || lane > after.lane || (lane === after.lane && seq > after.seq))
    .sort((a, b) => a.lane - b.lane || a.seq - b.seq)
    .slice(0, rows)
  const found = troubled.flatMap(({ status, partitionKey, availableAt, id, updatedAt, lane, seq }) =>
    status !== 'failed' || partitionKey === null || availableAt === null
      ? []
      : [{ backend, partitionKey, heldBy: id, since: Math.max(0, outbox.now() - updatedAt.getTime()), lane, seq }],
  )
  const end = troubled.length === rows ? troubled.at(-1) : undefined
  return pageOfHeads(found.slice(0, limit + 1), limit, end === undefined ? null : { lane: end.lane, seq: end.seq })
}

/** Rows that match, in order, with the columns asked for. */
export function list(outbox: MemoryOutbox, query: Query): readonly Partial<OutboxEventColumns>[] {
  const last = query.order.at(-1)
  const order = [...query.order, { column: 'id' as const, descending: last?.descending ?? false }]
  const rows = matching(outbox, query.where).toSorted((a, b) => {
    for (const { column, descending } of order) {
      const difference = compareNullsLast(comparable(a[column]), comparable(b[column]))
      if (difference !== 0) return descending ? -difference : difference
    }
    return 0
  })
  const end = query.limit === null ? rows.length : query.offset + query.limit
  return rows.slice(query.offset, end).map((row) => copyColumns(row, query.columns))
}

/** Rows for which all conditions hold. */
export function matching(outbox: MemoryOutbox, where: readonly Condition[]): readonly MemoryRow[] {
  return outbox.bySeq((row) => where.every((condition) => meetsCondition(outbox, row, condition)))
}

type Comparable = string | number | null

function meetsCondition(outbox: MemoryOutbox, row: MemoryRow, condition: Condition): boolean {
  if (condition.op === 'any') {
    return condition.groups.some((group) => group.every((inner) => meetsCondition(outbox, row, inner)))
  }
  const value = comparable(row[condition.column])
  switch (condition.op) {
    case 'isNull':
      return (value === null) === condition.value
    case 'in':
      return condition.values.some((each) => comparable(each) === value)
    case 'notIn':
      return !condition.values.some((each) => comparable(each) === value)
    case 'after':
    case 'before': {
      const from = outbox.rows.get(condition.id)
      if (!from) return false
      const difference =
        compareNullsLast(value, comparable(from[condition.column])) || compareNullsLast(row.id, from.id)
      return condition.op === 'after' ? difference > 0 : difference < 0
    }
    case 'contains':
      return value !== null && String(value).includes(condition.value)
    case 'icontains':
      return value !== null && String(value).toLowerCase().includes(condition.value.toLowerCase())
    case 'startsWith':
      return value !== null && String(value).startsWith(condition.value)
    case 'endsWith':
      return value !== null && String(value).endsWith(condition.value)
    case 'iexact':
      return value !== null && String(value).toLowerCase() === condition.value.toLowerCase()
    default:
      return compares(value, condition.op, comparable(condition.value))
  }
}

function compares(left: Comparable, op: 'eq' | 'ne' | 'lt' | 'lte' | 'gt' | 'gte', right: Comparable): boolean {
  if (op === 'eq') return left === right
  if (op === 'ne') return left !== right
  if (left === null || right === null) return false
  switch (op) {
    case 'lt':
      return left < right
    case 'lte':
      return left <= right
    case 'gt':
      return left > right
    case 'gte':
      return left >= right
  }
}

function comparable(value: FilterValue): Comparable {
  return value instanceof Date ? value.getTime() : value
}

function compareNullsLast(a: Comparable, b: Comparable): number {
  if (a === b) return 0
  if (a === null) return 1
  if (b === null) return -1
  return a < b ? -1 : 1
}
