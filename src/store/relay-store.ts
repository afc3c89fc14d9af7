import type { SendRow } from '../record/columns.ts'

/** A fetched row: what a backend needs of it. */
export type FetchedRow = SendRow & {
  readonly seq: number
  readonly lane: number
  /**
   * Null = the row has its data. Otherwise that was more than was asked for, and is left out (`data` and `dataBinary` are null): it
   * has about so many bytes, in PostgreSQL at least so many, since it may be compressed there.
   */
  readonly withheld: number | null
}

/** The data of a row that was fetched without. */
export type FetchedData = Pick<FetchedRow, 'id' | 'data' | 'dataBinary'>

/** Of these rows the first ones that, by what `fetch` said of their data, have no more than `bytes` of it together. */
export function firstThatFit<Row extends Pick<FetchedRow, 'withheld'>>(
  rows: readonly Row[],
  bytes: number,
): readonly Row[] {
  let left = bytes
  const end = rows.findIndex(({ withheld }) => {
    left -= withheld ?? 0
    return left < 0
  })
  return end < 0 ? rows : rows.slice(0, end)
}

/**
 * A row that says it was changed more than so many ms from now was written while the clock was ahead: what it waits for is
 * counted from now. Less is not a jump: a statement that waited for a lock may be older than the row that it then reads.
 */
export const CLOCK_AHEAD = 1_000

/**
 * An event without a key that waits for nothing of its own, only for a destination behind the backend that is down, is
 * parked for no longer, in ms: an instant beyond it was left behind by a clock that was set back, and is over.
 */
export const LONGEST_PARKING = 60_000

/** Where to read in one lane. */
export interface LaneCursor {
  readonly lane: number
  /** Only rows with a greater `seq`. To read from the head it is less than zero: plain SQL may give a row any `seq`. */
  readonly after: number
  /** At most this many rows of this lane. */
  readonly limit: number
}

/** An event at the head of its key and keeps the later ones waiting: a retry, or one that failed for good. */
export interface HeldHead {
  readonly id: string
  readonly seq: number
  readonly lane: number
  readonly partitionKey: string
  readonly generation: number
  /** Milliseconds until it is due again; null = until released by hand. */
  readonly dueIn: number | null
}

/** The attempt that an outcome belongs to: this row, as it was fetched. */
interface Attempt {
  readonly id: string
  readonly lane: number
  /** The row's generation when it was fetched. */
  readonly generation: number
}

/**
 * The outcome of one event. It is recorded only if no operator has moved the row since it was fetched (its generation
 * is the same), and everything but `published` only by the current owner of its lane.
 */
export type Outcome =
  | (Attempt & {
      readonly kind: 'published'
      readonly progress?: string
      /** Of one whose attempt was counted before the send: the count without it. Default: it stays. */
      readonly retryCount?: number
      /** The row is deleted in place of being kept as published. */
      readonly erase?: true
    })
  | (Attempt & {
      /** One more attempt was spent: try again in `delay` ms. */
      readonly kind: 'retry'
      /**
       * The one that is stored already = none was spent, the event only waits: unless a send of it was recorded as begun, its
       * history stays as it is.
       */
      readonly retryCount: number
      /** Milliseconds. */
      readonly delay: number
      readonly error: string
      readonly progress?: string
    })
  | (Attempt & {
      /** Gave up. `blocks`: later events of its key wait until it is released. */
      readonly kind: 'failed'
      readonly retryCount: number
      readonly blocks: boolean
      readonly error: string
      readonly progress?: string
    })
  | (Attempt & {
      /** Cannot go now: out of the hot index for `delay` ms; null = until its key is released. */
      readonly kind: 'park'
      readonly delay: number | null
      /**
       * The unsettled event of its key that it waits for: with a `delay`, it is due at the same instant as that one,
       * and not parked when that one is not. By `delay` alone it would be due a moment later or earlier, and a third
       * event of the key could go in between.
       */
      readonly behind?: string
    })
  | (Attempt & {
      /**
       * Recorded before a send under crash suspicion: status `processing`, with the attempt counted or not. Like `returned`, only
       * of an event that is not parked: a parked event is not in flight, and the statement ran late.
       */
      readonly kind: 'sending'
      readonly retryCount: number
    })
  | (Attempt & {
      /** An interrupted or never started attempt given back: pending (or retry) again, as before. */
      readonly kind: 'returned'
      readonly retryCount: number
    })

/** Proof of ownership for a settle. */
export interface Ownership {
  readonly workerId: string
  /** The fence under which each lane was taken. */
  readonly fences: ReadonlyMap<number, number>
  /** The lane's own name of the backend: see `CoordinationStore`. */
  readonly backend: string
}

export interface SettleReport {
  /** Ids whose outcome was not recorded: the row is gone, settled or moved otherwise, or the lane is no longer ours. */
  readonly lost: readonly string[]
  /** Ids whose row is locked just now: nothing is recorded of them, try these again. */
  readonly busy: readonly string[]
}

export interface UnparkReport {
  /** Lanes in which parked events became due, with the lowest `seq` among them and how many. */
  readonly woken: readonly { readonly lane: number; readonly firstSeq: number; readonly count: number }[]
  /** Ids of those of them that have a key and were between retries: what is due of what waits for one came back with it. */
  readonly heads: readonly string[]
  /** Of each key that stays parked since a row of it is locked, the first due one: later events wait for it. */
  readonly locked: readonly HeldHead[]
  /** Lanes in which more is due than the limit let it look at: before all of it is back, later events might overtake. */
  readonly more: readonly number[]
  /** Milliseconds until the next parked event of these lanes is due (>= 0); null = none. */
  readonly nextDueIn: number | null
}

/**
 * What the relay does with events. `names` are the backend names a relay answers to: its own, and '' for the default
 * backend (rows that Django wrote). All methods act on the given lanes only.
 */
export interface RelayStore {
  /**
   * Due, unparked, unsettled rows in `seq` order (over all lanes given). Reads only; costs the same for any backlog. What was
   * due when its row was last written is due, although that instant lies ahead of a clock that was set back since. The data of an
   * event that has more than `mostData` bytes of it is not read. Default: all is.
   */
  fetch(names: readonly string[], lanes: readonly LaneCursor[], mostData?: number): Promise<readonly FetchedRow[]>
  /**
   * The data that `fetch` withheld: of the first of these rows that have no more than `bytes` of it together. In no particular order;
   * rows that are gone are left out.
   */
  fetchData(rows: readonly Pick<FetchedRow, 'id' | 'withheld'>[], bytes: number): Promise<readonly FetchedData[]>
  /**
   * The greatest `seq` of the unparked, unsettled rows of a lane; undefined = there are none. Costs the same for any backlog.
   */
  lastSeq(names: readonly string[], lane: number): Promise<number | undefined>
  /** Brings due parked rows back into the hot index, at most `limitPerLane` for each lane, earliest due first. */
  unpark(names: readonly string[], lanes: readonly number[], limitPerLane: number): Promise<UnparkReport>
  /**
   * Records the outcomes of events, in one transaction: a few statements for any number of events. Outcomes are applied
   * in no particular order; an id occurs once.
   */
  settle(ownership: Ownership, outcomes: readonly Outcome[]): Promise<SettleReport>
  /**
   * For lanes just taken, or that need attention: releases rows that wait behind a key whose failed event is no longer
   * there or no longer blocks, brings retries of a key back that are due, and returns the heads that do hold their key. A
   * retry written while the clock was ahead waits for its delay from now, and what waits behind it no longer than it
   * does.
   */
  reconcile(names: readonly string[], lanes: readonly number[]): Promise<readonly HeldHead[]>
  /**
   * Runs `work` in a store transaction; when it resolves to an outcome that is `published`, the outcome is recorded
   * in the same transaction (under the current fence) and committed; otherwise all is rolled back.
   * Resolves with the outcome, and whether it was recorded.
   */
  settleInTransaction(
    ownership: Ownership,
    work: (tx: unknown) => Promise<Outcome | undefined>,
  ): Promise<{ readonly outcome: Outcome | undefined; readonly recorded: boolean }>
  /**
   * The backend names that unsettled events wait for, whoever serves them: at most `limit`, '' among them. Costs a jump along
   * an index for each name, whatever the backlog.
   */
  waitingNames(limit: number): Promise<readonly string[]>
}
