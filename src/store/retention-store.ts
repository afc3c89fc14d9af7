import type { AdminStore } from './admin-store.ts'
import type { Row } from './statement.ts'

/** The statuses of events that retention may delete: those that will not be delivered any more. */
export const SETTLED = ['published', 'failed', 'cancelled'] as const
/** A status of an event that retention may delete. */
export type SettledStatus = (typeof SETTLED)[number]

/** A value for each of these statuses. */
export type PerStatus<Value> = { readonly [Status in SettledStatus]: Value }

/** An event that may be due for deletion, as it was read. */
export interface SettledEvent {
  readonly id: string
  readonly eventType: string
  readonly status: SettledStatus
  /** Milliseconds since it was published, failed or cancelled. */
  readonly age: number
  /** Its place in the order of the walk: a later event has a greater one. */
  readonly place: string
  /** Whether it counts and may be deleted as surplus: no key waits for it. */
  readonly counts: boolean
  /** Changes as soon as the row is moved or settled again. */
  readonly version: string
}

/** A part of the table, in the order of insertion: its cost is bounded, since each row of it is read. */
export interface SettledWalk {
  /** Starts after this place; null = at the oldest. */
  readonly after: string | null
  /** Rows read, at most. */
  readonly rows: number
  /** Events older than this many milliseconds are returned, by status; null = none because of their age. */
  readonly ages: PerStatus<number | null>
  /**
   * Events that count are returned up to this place, by status; null = none because of their number. Where the table is
   * walked by id, an event whose id does not begin with a time does not count.
   */
  readonly upTo: PerStatus<string | null>
  /** Ids that are left out, both ends included: those of partitions that will be dropped. Default: none. */
  readonly except?: { readonly first: string; readonly last: string } | undefined
}

/** What a walk met. */
export interface SettledPage {
  readonly events: readonly SettledEvent[]
  /** Where the next walk begins (`after`); null = the rest is too young. */
  readonly next: string | null
}

/** How many settled events of each kind a part of the table holds. */
export interface Census {
  /** Only events that count. */
  readonly groups: readonly { readonly status: SettledStatus; readonly eventType: string; readonly count: number }[]
  /** The place of the oldest row that was read; null = there was none. */
  readonly last: string | null
}

/**
 * Deletes settled events when their time is over, separately from the relay. A walk finds them, and another statement
 * deletes what it found, so that it can be archived in between.
 */
export interface RetentionStore {
  /** Looks at the next rows, and returns those that may go. */
  walk(walk: SettledWalk): Promise<SettledPage>
  /**
   * Deletes those that are still as they were read, and that nobody has locked; what waits behind a failed one is
   * released by the owner of its lane. Resolves with how many.
   */
  remove(events: readonly SettledEvent[]): Promise<number>
  /** Counts so many rows from before a place towards the oldest; null = from the newest. None older than the place `from`. */
  census(before: string | null, rows: number, from?: string | null): Promise<Census>
  /** What becomes of partitions. Optional: only where a table can have some. */
  readonly partitions?: PartitionStore
}

/** A partition of a time, which may be over. */
export interface OldPartition {
  readonly name: string
  /** Its first and its last id. */
  readonly first: string
  readonly last: string
  /** Milliseconds since its time ended; less than 0 = it has not. */
  readonly age: number
  /** True: its events are those of the outbox no more, and it is to be dropped. */
  readonly isDetached: boolean
  /** When what may go of it was listed, in ms since 1970 by the clock of the database. */
  readonly lookedAt: number
  /** What was over by then, whatever the clock says: a snapshot of the database. */
  readonly lookedIn: string
}

/** A row of a partition. */
export interface PartitionRow extends SettledEvent {
  /** True: it was settled after the partition was looked through. */
  readonly isLate: boolean
}

/** Rows of a partition, by what decides on them together. */
export interface PartitionPage {
  readonly groups: readonly {
    /** Any status. */
    readonly status: string
    readonly eventType: string
    readonly counts: boolean
    /** They were settled after the partition was looked through. */
    readonly isLate: boolean
    readonly count: number
    /** The least age of them. */
    readonly age: number
    /** The greatest place of them. */
    readonly place: string
  }[]
  /** The last id; null = there was no row. */
  readonly last: string | null
}

/** Drops partitions: first their events leave the outbox together, but those that stay; then the table goes. */
export interface PartitionStore {
  /** Those of a time, the oldest first, but not the last that was made; none where the table has no partitions. */
  list(): Promise<readonly OldPartition[]>
  /**
   * Makes those of the times to come. Throws `STORE_BUSY` when the table cannot be locked just now, and `PARTITION_REFUSED` when too
   * much would have to be moved.
   */
  makeAhead(): Promise<void>
  /** Looks at the next rows after an id, by groups. */
  page(partition: OldPartition, after: string | null, rows: number): Promise<PartitionPage>
  /** The same rows, one by one; of those that are not settled `age` says nothing. */
  rows(partition: OldPartition, after: string | null, last: string): Promise<readonly PartitionRow[]>
  /** Whether nothing in it is due or soon to be, and few events in it wait. */
  isAtRest(partition: OldPartition): Promise<boolean>
  /**
   * Takes the oldest partition out, in one transaction with moving what waits in it, what blocks its key, and the events given. `stays`:
   * something is due in it or soon to be, or too much would have to be moved. `elsewhere`: another worker took it out, and knows what
   * may go of it. Throws `STORE_BUSY`.
   */
  detach(partition: OldPartition, staying: readonly string[]): Promise<'detached' | 'stays' | 'elsewhere'>
  /** Moves events of a partition that was taken out back into the outbox. */
  giveBack(partition: OldPartition, ids: readonly string[]): Promise<void>
  /** Lets the ids of these events, each with its source and backend, be published again. */
  forget(partition: OldPartition, after: string | null, last: string): Promise<void>
  /** Drops one that was taken out. False: another did. */
  drop(partition: OldPartition): Promise<boolean>
  /** Lists the events of one. */
  contents(partition: OldPartition): Pick<AdminStore, 'list'>
}

/** The least `seq` that a row can have: plain SQL may write any. */
const LEAST_SEQ = -(2n ** 63n)

/** The place of a row that is walked by its `seq`: a text that sorts like the number. */
export function placeOfSeq(seq: unknown): string {
  return (BigInt(String(seq)) - LEAST_SEQ).toString().padStart(20, '0')
}

/** The `seq` of a place. */
export function seqOfPlace(place: string): bigint {
  return BigInt(place) + LEAST_SEQ
}

/** Reads a row of a walk by `seq`, whose id `uuid` reads. */
export function settledOf(row: Row, uuid: (value: unknown) => string): SettledEvent {
  return {
    id: uuid(row['id']),
    eventType: String(row['event_type']),
    status: String(row['status']) as SettledStatus,
    age: Number(row['age']),
    place: placeOfSeq(row['place']),
    counts: Number(row['counts']) === 1,
    version: String(row['version']),
  }
}

/** Reads the groups of a census. */
export function groupsOf(rows: readonly Row[]): Census['groups'] {
  return rows.map((row) => ({
    status: String(row['status']) as SettledStatus,
    eventType: String(row['event_type']),
    count: Number(row['count']),
  }))
}

/** The greatest place to which events may go for their number; null = none may. */
export function farthest(upTo: PerStatus<string | null>): string | null {
  return SETTLED.reduce<string | null>((greatest, status) => {
    const place = upTo[status]
    return place !== null && (greatest === null || place > greatest) ? place : greatest
  }, null)
}

/** The age below which no event may go for it; null = none may. */
export function youngest(ages: PerStatus<number | null>): number | null {
  const given = SETTLED.flatMap((status) => ages[status] ?? [])
  return given.length === 0 ? null : Math.min(...given)
}
