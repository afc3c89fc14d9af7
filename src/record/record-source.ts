import type { ColumnName, OutboxEventColumns } from './columns.ts'
import type { OutboxEvent } from './outbox-event.ts'

/** Comparisons a filter may use on a column; see `broadcaster.events.filter`. */
export interface Comparison<Value> {
  readonly eq?: Value
  readonly ne?: Value
  readonly lt?: NonNullable<Value>
  readonly lte?: NonNullable<Value>
  readonly gt?: NonNullable<Value>
  readonly gte?: NonNullable<Value>
  readonly in?: readonly Value[]
  readonly notIn?: readonly Value[]
  readonly contains?: string
  readonly icontains?: string
  readonly startsWith?: string
  readonly endsWith?: string
  readonly iexact?: string
  readonly isNull?: boolean
}

type Filterable = Omit<
  OutboxEventColumns,
  'data' | 'dataBinary' | 'attempts' | 'progress' | 'publisherConfig' | 'extensions'
>

/**
 * Conditions by column, all of which must hold: a value (equality), a list (any of), or comparisons.
 *
 * @example { status: ['pending', 'retry'], eventType: { startsWith: 'order.' }, createdAt: { gte: yesterday } }
 */
export type RecordFilter = {
  readonly [Name in keyof Filterable]?: Filterable[Name] | readonly Filterable[Name][] | Comparison<Filterable[Name]>
}

/** What a record needs of the store it came from. */
export interface RecordSource {
  load(id: string, columns: readonly ColumnName[]): Promise<Partial<OutboxEventColumns>>
  /** Of those that are there, by id. */
  loadMany(
    ids: readonly string[],
    columns: readonly ColumnName[],
  ): Promise<ReadonlyMap<string, Partial<OutboxEventColumns>>>
  markAsPublished(id: string): Promise<Partial<OutboxEventColumns>>
  markAsFailed(id: string, error: string): Promise<Partial<OutboxEventColumns>>
  incrementRetry(id: string, retryCount: number, error: string): Promise<Partial<OutboxEventColumns>>
  neighbour(
    id: string,
    column: 'createdAt' | 'scheduledAt' | 'updatedAt',
    direction: 'after' | 'before',
    filter: RecordFilter | undefined,
  ): Promise<OutboxEvent>
}
