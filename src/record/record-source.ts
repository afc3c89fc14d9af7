import type { ColumnName, FilterColumn, OutboxEventColumns } from './columns.ts'
import type { OutboxEvent } from './outbox-event.ts'

/** Comparisons a filter may use on a column; see `broadcaster.events.filter`. */
export interface Comparison<Value> {
  /** Equal to. */
  readonly eq?: Value
  /** Not equal to, null included. */
  readonly ne?: Value
  /** Less than, or before. */
  readonly lt?: NonNullable<Value>
  /** At most, or not after. */
  readonly lte?: NonNullable<Value>
  /** Greater than, or after. */
  readonly gt?: NonNullable<Value>
  /** At least, or not before. */
  readonly gte?: NonNullable<Value>
  /** One of these. */
  readonly in?: readonly Value[]
  /** None of these. */
  readonly notIn?: readonly Value[]
  /** Has this text in it. */
  readonly contains?: string
  /** Has this text in it, whatever the case. */
  readonly icontains?: string
  /** Begins with this text. */
  readonly startsWith?: string
  /** Ends with this text. */
  readonly endsWith?: string
  /** Equal to this text, whatever the case. */
  readonly iexact?: string
  /** True: there is no value. False: there is one. */
  readonly isNull?: boolean
}

type Filterable = Pick<OutboxEventColumns, FilterColumn>

/**
 * Conditions by column, all of which must hold: a value (equality), a list (any of), or comparisons.
 *
 * @example { status: ['pending', 'retry'], eventType: { startsWith: 'order.' }, createdAt: { gte: yesterday } }
 */
export type RecordFilter = {
  readonly [Name in keyof Filterable]?: Filterable[Name] | readonly Filterable[Name][] | Comparison<Filterable[Name]>
}

/** What a record needs from its store. */
export interface RecordSource {
  /** Reads these columns of one row. Throws `DOES_NOT_EXIST`. */
  load(id: string, columns: readonly ColumnName[]): Promise<Partial<OutboxEventColumns>>
  /** Reads columns of those rows that exist, by id. */
  loadMany(
    ids: readonly string[],
    columns: readonly ColumnName[],
  ): Promise<ReadonlyMap<string, Partial<OutboxEventColumns>>>
  /** Marks the event as published, and resolves with the columns that changed. */
  markAsPublished(id: string): Promise<Partial<OutboxEventColumns>>
  /** Marks the event as failed, and resolves with the columns that changed. */
  markAsFailed(id: string, error: string): Promise<Partial<OutboxEventColumns>>
  /** Counts a failed attempt, and resolves with the columns that changed. */
  incrementRetry(id: string, retryCount: number, error: string): Promise<Partial<OutboxEventColumns>>
  /** The record next to this one by a date, among those that match. Throws `DOES_NOT_EXIST`. */
  neighbour(
    id: string,
    column: 'createdAt' | 'scheduledAt' | 'updatedAt',
    direction: 'after' | 'before',
    filter: RecordFilter | undefined,
  ): Promise<OutboxEvent>
}
