import type { SendRow } from '../record/columns.ts'

/** A fetched row: what a backend needs of it. */
export type FetchedRow = SendRow & {
  readonly seq: number
  readonly lane: number
  /**
   * Null = the row has its data. Otherwise the data was larger than asked for and is left out (`data` and `dataBinary`
   * are null): about this many bytes, in PostgreSQL at least this many, since it may be compressed there.
   */
  readonly withheld: number | null
}

/** From so many rows on `fetchFew` gives none. */
export const FEW = 200

/** The data of a row that was fetched without it. */
export type FetchedData = Pick<FetchedRow, 'id' | 'data' | 'dataBinary'>

/** The first of these rows whose data, by the sizes that `fetch` gave, has no more than `bytes` together. */
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
 * A row changed more than this many ms in the future was written while the clock was ahead: its delay is counted from
 * now. Less is not a clock jump: a statement that waited for a lock may be older than the row that it then reads.
 */
export const CLOCK_AHEAD = 1_000

/**
 * An event without a key that waits only for a destination that is down is parked for no longer, in ms: an instant
 * beyond that was left behind by a clock that was set back, and counts as over.
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

/** An event at the head of its key that keeps the later ones waiting: a retry, or one that failed for good. */
export interface HeldHead {
  readonly id: string
  readonly seq: number
  readonly lane: number
  readonly partitionKey: string
  readonly generation: number
  /** Milliseconds until it is due again; null = until released by hand. */
  readonly dueIn: number | null
}

/** The attempt that an outcome belongs to: the row as it was fetched. */
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
      /** Where the attempt was counted before the send: the count without it. Default: unchanged. */
      readonly retryCount?: number
      /** Delete the row instead of keeping it as published. */
      readonly erase?: true
    })
  | (Attempt & {
      /** One more attempt was spent: try again in `delay` ms. */
      readonly kind: 'retry'
      /**
       * Equal to the stored count = no attempt was spent, the event only waits: its history stays as it is, unless a
       * send of it was recorded as begun.
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
      /** Cannot go now: parked for `delay` ms; null = until its key is released. */
      readonly kind: 'park'
      readonly delay: number | null
      /**
       * The unsettled event of its key that it waits for: with a `delay`, it is due at the same instant as that one,
       * and not parked when that one is not. By `delay` alone it would be due a moment earlier or later, and a third
       * event of the key could go in between.
       */
      readonly behind?: string
    })
  | (Attempt & {
      /**
       * Recorded before a send under crash suspicion: status `processing`, with the attempt counted or not. Like
       * `returned`, recorded only if the event is not parked: a parked event is not in flight, and the statement came
       * late.
       */
      readonly kind: 'sending'
      readonly retryCount: number
    })
  | (Attempt & {
      /** An attempt that was interrupted or never started: pending (or retry) again, as before. */
      readonly kind: 'returned'
      readonly retryCount: number
    })

/** Proof of ownership for a settle. */
export interface Ownership {
  readonly workerId: string
  /** The fence under which each lane was taken. */
  readonly fences: ReadonlyMap<number, number>
  /** The backend's name in the lanes table: see `CoordinationStore`. */
  readonly backend: string
}

export interface Writers {
  /** Changes when transactions may have been lost, and their names be used again. */
  readonly server: string
  /** The transactions that run and have drawn a `seq` of this outbox, or may have. */
  readonly running: ReadonlySet<string>
  /** The last number that was drawn for an event; undefined = that is not told. */
  readonly drawn: number | undefined
}

export interface SettleReport {
  /** Ids whose outcome was not recorded: the row is gone, settled or moved by others, or the lane is no longer ours. */
  readonly lost: readonly string[]
  /** Ids whose row is locked: nothing was recorded for them, try again. */
  readonly busy: readonly string[]
}

export interface UnparkReport {
  /** Lanes in which parked events became due, with the lowest `seq` among them and how many. */
  readonly woken: readonly { readonly lane: number; readonly firstSeq: number; readonly count: number }[]
  /** Ids of those that have a key and were between retries: due events that waited for one came back with it. */
  readonly heads: readonly string[]
  /** For each key that stays parked because of a locked row, the first due event: later ones wait for it. */
  readonly locked: readonly HeldHead[]
  /** Lanes with more due events than the limit covered: until all are back, later events might overtake them. */
  readonly more: readonly number[]
  /** Milliseconds until the next parked event of these lanes is due (>= 0); null = none. */
  readonly nextDueIn: number | null
}

/**
 * What the relay does with events. `names` are the backend names that a relay serves: its own, and '' for the default
 * backend (rows that Django wrote). All methods act on the given lanes only.
 */
export interface RelayStore {
  /**
   * Due, unparked, unsettled rows in `seq` order (over all lanes given). Reads only; costs the same for any backlog.
   * What was due when its row was last written stays due, even if the clock was set back since. Data of more than
   * `mostData` bytes is not read. Default: all is.
   */
  fetch(names: readonly string[], lanes: readonly LaneCursor[], mostData?: number): Promise<readonly FetchedRow[]>
  /**
   * Optional: the same of all lanes of these names, whoever owns them, above this `seq`, where they have less than `FEW` such rows
   * together; undefined = they have more. One scan in place of one for each lane.
   */
  fetchFew?(names: readonly string[], after: number, mostData?: number): Promise<readonly FetchedRow[] | undefined>
  /**
   * The data that `fetch` withheld, for the first of these rows that have no more than `bytes` together. In no
   * particular order; rows that are gone are left out.
   */
  fetchData(rows: readonly Pick<FetchedRow, 'id' | 'withheld'>[], bytes: number): Promise<readonly FetchedData[]>
  /**
   * The greatest `seq` of the unparked, unsettled rows of a lane; undefined = there are none. Costs the same for any
   * backlog.
   */
  lastSeq(names: readonly string[], lane: number): Promise<number | undefined>
  /**
   * Optional: who may have written what is not committed yet; undefined = it cannot be told just now. Without it the end of a lane is
   * always read from its head.
   */
  writers?(): Promise<Writers | undefined>
  /** Brings due parked rows back into the hot index, at most `limitPerLane` for each lane, earliest due first. */
  unpark(names: readonly string[], lanes: readonly number[], limitPerLane: number): Promise<UnparkReport>
  /**
   * Records the outcomes of events, in one transaction: a few statements for any number of events. Outcomes are applied
   * in no particular order; an id occurs once.
   */
  settle(ownership: Ownership, outcomes: readonly Outcome[]): Promise<SettleReport>
  /**
   * For lanes just taken, or that need attention: releases rows that wait behind a key whose failed event is gone or no
   * longer blocks, unparks a key's retries that are due, and returns the heads that do hold their key. A retry written
   * while the clock was ahead waits for its delay from now, and what waits behind it no longer than that.
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
   * The backend names of unsettled events, whoever serves them: at most `limit`, '' among them. Costs one index lookup
   * per name, whatever the backlog.
   */
  waitingNames(limit: number): Promise<readonly string[]>
}
