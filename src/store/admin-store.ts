import type { ColumnName, FilterColumn, NewOutboxEvent, OutboxEventColumns } from '../record/columns.ts'
import type { Status } from '../record/status.ts'
import type { OutboxLook } from './outbox-look.ts'

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
  /** published -> pending: send again. By an operation it gets the extension `replay`, its number, and one that has it stays. */
  | { readonly kind: 'replay' }
  /** A failed event stays failed and stops blocking its key. */
  | { readonly kind: 'skip' }
  /** Not to be delivered: pending, retry, processing or failed -> cancelled. */
  | { readonly kind: 'cancel' }
  /**
   * The same for one event, and `row` comes into its place: into its lane and its `seq`, which go to nobody else; the cancelled one
   * gets the `seq` that was meant for the new one. Due when the old one was if that was pending, else now.
   */
  | { readonly kind: 'correct'; readonly row: NewOutboxEvent }
  /**
   * Stores these rows as a publish does: copies of published events for another backend; the ids are theirs. Where that one has the
   * event already, its row is sent again when it is published, failed or cancelled, marked as by `replay`, and counts under the copy's id.
   */
  | { readonly kind: 'copy'; readonly rows: readonly NewOutboxEvent[] }
  /** The record's own methods. */
  | { readonly kind: 'markPublished' }
  | { readonly kind: 'markFailed'; readonly error: string }
  /** `delay` ms until the next attempt. */
  | { readonly kind: 'incrementRetry'; readonly error: string; readonly delay: number }
  /** Moves the due time of an unsettled event. */
  | { readonly kind: 'reschedule'; readonly at: Date }
  /** Removes the row, published ones too, unless `published` is false. */
  | { readonly kind: 'delete'; readonly published: boolean }

/** A lane that its owner was asked to take its hands off. */
export interface Hold {
  readonly backend: string
  readonly lane: number
  /** Which hold of this lane it is. */
  readonly number: number
}

/** The outcome of a move. Ids that are in neither list are unchanged: no such event, or its status forbids the move. */
export interface MoveReport {
  readonly moved: readonly string[]
  /** Unchanged, since the lane's owner may be sending it: hold their lanes, and move these again. */
  readonly busy: readonly string[]
}

/** A part of the table, by id: bounded whatever the conditions are, since each row of it is read. */
export interface Walk {
  /** Conditions for a row to be returned. */
  readonly where: readonly Condition[]
  /** From behind this id; null = from the first. */
  readonly after: string | null
  /** Rows read, at most. */
  readonly rows: number
  /** Rows returned, at most. */
  readonly limit: number
}

/** What a walk met. */
export interface Walked {
  readonly ids: readonly string[]
  /** Where the next one begins (`after`); null = there are no more rows. */
  readonly next: string | null
}

/** What operators and `broadcaster.events` need. */
export interface AdminStore {
  list(query: Query): Promise<readonly Partial<OutboxEventColumns>[]>
  /** How many match; with `limit` it stops there. */
  count(where: readonly Condition[], limit?: number): Promise<number>
  /** Looks at the next rows by id, and returns those that match. */
  walk(walk: Walk): Promise<Walked>
  /**
   * Asks the owners of the lanes in which these events wait unsettled to take their hands off, for `duration` ms at most,
   * and no longer than `LONGEST_HOLD`. Returns a hold for each such lane.
   */
  hold(ids: readonly string[], duration: number): Promise<readonly Hold[]>
  /**
   * Applies a move to events with these ids in one transaction; those whose status, as it is then, does not allow it are
   * left alone. An unsettled event is moved only where no worker can be sending it: no live worker owns its lane, or the
   * owner has answered our hold. Each moved row gets a new generation; lanes concerned get attention, so that their owner
   * reconciles; holds that were answered end. `operation`: what was moved counts there, in the same transaction.
   */
  move(ids: readonly string[], move: AdminMove, holds: readonly Hold[], operation?: number): Promise<MoveReport>
  /** Ends holds. */
  lift(holds: readonly Hold[]): Promise<void>
  /** Reads, and changes nothing: a role with SELECT can. None of it needs a scan of published rows. */
  look(): Promise<OutboxLook>
}

export type StatusFilter = Status | readonly Status[]
