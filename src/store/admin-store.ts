import type { ColumnName, OutboxEventColumns } from '../record/columns.ts'
import type { Status } from '../record/status.ts'

/** Columns that a condition or an order may name. */
export type FilterColumn = Exclude<
  ColumnName,
  'data' | 'dataBinary' | 'attempts' | 'progress' | 'publisherConfig' | 'extensions'
>

export type FilterValue = string | number | Date | null

/** One condition; a query is the conjunction of several. `in` with no values matches nothing. */
export type Condition =
  | {
      readonly column: FilterColumn
      readonly op: 'eq' | 'ne' | 'lt' | 'lte' | 'gt' | 'gte'
      readonly value: FilterValue
    }
  | { readonly column: FilterColumn; readonly op: 'in' | 'notIn'; readonly values: readonly FilterValue[] }
  | {
      readonly column: FilterColumn
      /** The `i` forms ignore case (ASCII at least). `%` and `_` in the text are plain characters. */
      readonly op: 'contains' | 'icontains' | 'startsWith' | 'endsWith' | 'iexact'
      readonly value: string
    }
  | { readonly column: FilterColumn; readonly op: 'isNull'; readonly value: boolean }
  /** The next (`gt`) or previous (`lt`) row by a date column, ties by id, seen from the row `id`. */
  | { readonly column: 'createdAt' | 'updatedAt' | 'scheduledAt'; readonly op: 'after' | 'before'; readonly id: string }
  /** Any of the groups (OR of ANDs). */
  | { readonly op: 'any'; readonly groups: readonly (readonly Condition[])[] }

export interface Query {
  readonly where: readonly Condition[]
  /** The primary key is always added as the last, in the direction of the last named. Nulls sort last ascending. */
  readonly order: readonly { readonly column: FilterColumn; readonly descending: boolean }[]
  readonly limit: number | null
  readonly offset: number
  /** Columns to read. */
  readonly columns: readonly ColumnName[]
}

/** What an operator does to events. Each move is checked in the database against the status as it is there. */
export type AdminMove =
  /** failed, cancelled or retry -> pending, now, with retries given back; releases its key. */
  | { readonly kind: 'requeue' }
  /** published -> pending: send again. */
  | { readonly kind: 'replay' }
  /** A failed event stays failed and stops blocking its key. */
  | { readonly kind: 'skip' }
  /** Not to be delivered: pending, retry, processing or failed -> cancelled. */
  | { readonly kind: 'cancel' }
  /** The record's own methods. */
  | { readonly kind: 'markPublished' }
  | { readonly kind: 'markFailed'; readonly error: string }
  /** `delay` ms until the next attempt. */
  | { readonly kind: 'incrementRetry'; readonly error: string; readonly delay: number }
  /** Moves the due time of an unsettled event. */
  | { readonly kind: 'reschedule'; readonly at: Date }

/** Numbers for people and monitors; none needs a scan of published rows. */
export interface BackendStats {
  readonly backend: string
  /** Due or about to be fetched, exact. */
  readonly pending: number
  /** Waiting for a time: scheduled, or between retries, or behind a key that is. */
  readonly parked: number
  /** Of those: waiting behind a key whose event failed for good. */
  readonly blocked: number
  readonly retrying: number
  readonly failed: number
  /** Keys held by a failed event. */
  readonly blockedKeys: number
  /** Age of the oldest due event in milliseconds; null = none. */
  readonly oldestPendingAge: number | null
}

export interface OutboxStats {
  readonly backends: readonly BackendStats[]
  /** All rows of the table, estimated from the database's statistics where counting would scan it. */
  readonly totalRows: number
  readonly totalRowsIsEstimate: boolean
}

/** What operators and `broadcaster.events` need. */
export interface AdminStore {
  list(query: Query): Promise<readonly Partial<OutboxEventColumns>[]>
  count(where: readonly Condition[]): Promise<number>
  /**
   * Applies a move to events with these ids in one transaction; those whose status does not allow it are left alone.
   * Returns the ids moved. Lanes concerned get attention, so that their owner sweeps.
   */
  move(ids: readonly string[], move: AdminMove): Promise<readonly string[]>
  /** Deletes events by id, unsettled ones included. Returns how many. */
  delete(ids: readonly string[]): Promise<number>
  stats(): Promise<OutboxStats>
}

export type StatusFilter = Status | readonly Status[]
