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

/** A move that is part of a step of an operation in the background. Its ids are in the order of the primary key. */
export interface OperationMove {
  /** The number of the operation. */
  readonly id: number
  /** Who has taken it. */
  readonly owner: string
  /** The operation's position, as it is before the move. */
  readonly after: string | null
  /** The position when all ids are dealt with; null = the move only counts, and the position is written with `advance`. */
  readonly end: string | null
  /** Deals with busy events too: they are left alone. */
  readonly leaveBusy: boolean
  /** Events a second; null = as fast as it goes. */
  readonly rate: number | null
  /** Events that the step moved before this move. */
  readonly movedBefore: number
  /** Milliseconds for which the operation stays ours after the pause that `rate` asks for. */
  readonly lease: number
}

/** What else holds for a move. */
export interface MoveTerms {
  /** What an event must meet, as it is when it is moved; one that does not (any more) is left alone. Default: nothing. */
  readonly where?: readonly Condition[] | undefined
  /** The step that it is part of. Default: none. */
  readonly step?: OperationMove | undefined
}

/**
 * The outcome of a move. Ids that are in neither list are unchanged: no such event, or its status or the conditions forbid
 * the move.
 */
export interface MoveReport {
  readonly moved: readonly string[]
  /** Unchanged, since the lane's owner may be sending it: hold their lanes, and move these again. */
  readonly busy: readonly string[]
  /** Of a step: so many of the ids, from the first, are dealt with. Undefined: it may not be made (any more), and nothing was done. */
  readonly passed?: number | undefined
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
   * reconciles; holds that were answered end. The conditions of `terms` are checked with the status, under the row's lock.
   * A step of an operation is made only while that is running, its owner's, and at the position where the step begins. It
   * moves what comes before the first busy event, and writes down in the same transaction what it moved, what it left alone
   * and how far it came: whoever goes on there touches none of it again.
   */
  move(ids: readonly string[], move: AdminMove, holds: readonly Hold[], terms?: MoveTerms): Promise<MoveReport>
  /** Ends holds. */
  lift(holds: readonly Hold[]): Promise<void>
  /** Reads, and changes nothing: a role with SELECT can. None of it needs a scan of published rows. */
  look(): Promise<OutboxLook>
}

export type StatusFilter = Status | readonly Status[]
