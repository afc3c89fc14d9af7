import type { Store } from '../../store/store.ts'

/** What some stores cannot offer. A store that cannot says why, and the cases that need it are skipped. */
export type StoreCapability =
  /** A second `Store` on the same outbox over connections of its own, as another process would have. */
  | 'another'
  /** Reading while a transaction is open elsewhere. */
  | 'readsDuringTransaction'
  /** Two transactions that write at the same time. */
  | 'concurrentWriters'
  /** The text of `data` survives character by character, not only its value. */
  | 'exactJson'
  /** A place without an outbox, to migrate. */
  | 'unmigrated'
  /** The store has `wake`. */
  | 'wake'

/** An empty, migrated outbox of its own, with at least four lanes, and what the cases need around it. */
export interface StoreFixture {
  readonly store: Store
  /** Opens a second store on the same outbox. The case closes it. */
  another?(): Promise<Store>
  /** Opens a store on a place where nothing was migrated. The case closes it; the fixture removes what it made. */
  unmigrated?(): Promise<Store>
  /**
   * Runs `work` inside a savepoint of `tx`, rolled back when it throws.
   * Default: the statements SAVEPOINT, RELEASE and ROLLBACK TO through the transaction adapter.
   */
  savepoint?(tx: unknown, work: () => Promise<void>): Promise<void>
  /** Closes the store and removes the outbox. */
  close(): Promise<void>
}
