import type { ColumnName, FilterColumn, NewOutboxEvent, OutboxEventColumns } from '../record/columns.ts'
import type { BlockedHeads, BlockedHeadsQuery } from './blocked-heads.ts'
import type { KeyInLane, KeyWaits } from './key-waits.ts'
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
  /** published -> pending: send again. An operation adds its number as extension `replay`, and skips events with it. */
  | { readonly kind: 'replay' }
  /** A failed event stays failed and stops blocking its key. */
  | { readonly kind: 'skip' }
  /** Not to be delivered: pending, retry, processing or failed -> cancelled. */
  | { readonly kind: 'cancel' }
  /**
   * Cancels one event and puts `row` in its place: into its lane and its `seq`; the cancelled one gets the `seq` that
   * was meant for the new one. Due when the old one was if that was pending, else now.
   */
  | { readonly kind: 'correct'; readonly row: NewOutboxEvent }
  /**
   * Stores these rows as a publish does: copies of published events for another backend, with their ids. Where that
   * backend already has the event and its row is published, failed or cancelled, that row is sent again, marked as by
   * `replay`, and reported under the copy's id.
   */
  | { readonly kind: 'copy'; readonly rows: readonly NewOutboxEvent[] }
  /** What a record's own methods do. */
  | { readonly kind: 'markPublished' }
  | { readonly kind: 'markFailed'; readonly error: string }
  /** `delay` ms until the next attempt. */
  | { readonly kind: 'incrementRetry'; readonly error: string; readonly delay: number }
  /** Moves the due time of an unsettled event. */
  | { readonly kind: 'reschedule'; readonly at: Date }
  /**
   * Back to what it was before the `requeue` or `cancel` that was made under this entry of the audit, where nothing has become of it
   * since: it is as that left it, of the same generation, and was not tried.
   */
  | { readonly kind: 'undo'; readonly entry: number }
  /** Removes the row, published ones too, unless `published` is false. */
  | { readonly kind: 'delete'; readonly published: boolean }

/** A lane whose owner was asked to leave it alone. */
export interface Hold {
  readonly backend: string
  readonly lane: number
  /** Which hold of this lane it is. */
  readonly number: number
}

/** A move as part of a step of a background operation. Its ids are in the order of the primary key. */
export interface OperationMove {
  /** The number of the operation. */
  readonly id: number
  /** Who has taken it. */
  readonly owner: string
  /** The operation's position, as it is before the move. */
  readonly after: string | null
  /** The position once all ids are dealt with; null = the move only counts, and `advance` writes the position. */
  readonly end: string | null
  /** Whether busy events count as dealt with: they are left alone. */
  readonly leaveBusy: boolean
  /** Events a second; null = as fast as it goes. */
  readonly rate: number | null
  /** How many events the step moved before this move. */
  readonly movedBefore: number
  /** Milliseconds by which the step began later than `rate` had it: the pause after it is shorter by these. */
  readonly behind: number
  /** Milliseconds for which the operation stays ours after the pause that `rate` asks for. */
  readonly lease: number
}

/** Further terms of a move. */
export interface MoveTerms {
  /** Conditions that an event must meet when it is moved; others are left alone. Default: none. */
  readonly where?: readonly Condition[] | undefined
  /** The step that it is part of. Default: none. */
  readonly step?: OperationMove | undefined
  /** Of `requeue` and `cancel`: the entry of the audit under which is kept what each event was, for `undo`. Default: none. */
  readonly entry?: number | undefined
}

/**
 * The outcome of a move. Ids in neither list are unchanged: there is no such event, or its status or the conditions
 * forbid the move.
 */
export interface MoveReport {
  readonly moved: readonly string[]
  /** Unchanged, since the lane's owner may be sending them: hold their lanes, then move these again. */
  readonly busy: readonly string[]
  /** Of a step: how many ids, from the first, were dealt with. Undefined: the step is not due, and nothing was done. */
  readonly passed?: number | undefined
}

/** A part of the table, by id: its cost is bounded whatever the conditions are, since each row of it is read. */
export interface Walk {
  /** Conditions for a row to be returned. */
  readonly where: readonly Condition[]
  /** Starts after this id; null = at the first. */
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
  /** Reads the next rows by id, and returns those that match. */
  walk(walk: Walk): Promise<Walked>
  /**
   * Asks the owners of the lanes in which these events wait unsettled to leave those lanes alone, for `duration` ms at
   * most, and no longer than `LONGEST_HOLD`. Returns a hold for each such lane.
   */
  hold(ids: readonly string[], duration: number): Promise<readonly Hold[]>
  /**
   * Applies a move to events with these ids in one transaction; those whose current status does not allow it are left
   * alone. An unsettled event is moved only where no worker can be sending it: no live worker owns its lane, or the
   * owner has answered our hold. Each moved row gets a new generation; the lanes concerned get attention, so that their
   * owner reconciles; holds that were answered end. The conditions of `terms` are checked with the status, under the
   * row's lock. A step of an operation is made only while the operation is running, belongs to `owner`, and is at the
   * position where the step begins. It moves what comes before the first busy event, and records in the same
   * transaction what it moved, what it left alone and how far it came, so that none of it is done again.
   */
  move(ids: readonly string[], move: AdminMove, holds: readonly Hold[], terms?: MoveTerms): Promise<MoveReport>
  /** Ends holds. */
  lift(holds: readonly Hold[]): Promise<void>
  /**
   * How many unsettled events each of these keys has, in their order. Of each of the lanes at most `rows` that are not parked are
   * counted, and as many that are, the last to come back first. Where there are more, its keys may have more, too.
   */
  waiting(keys: readonly KeyInLane[], rows: number): Promise<readonly KeyWaits[]>
  /** The events of a backend that block their keys, page by page. Reads a bounded number of rows by the index of troubled events. */
  blockedHeads(query: BlockedHeadsQuery): Promise<BlockedHeads>
  /** Changes nothing: a role with SELECT is enough. None of it scans published rows. */
  look(): Promise<OutboxLook>
}
