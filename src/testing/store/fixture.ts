import type { Store } from '../../store/store.ts'
import { caseWriter } from '../conformance.ts'

/** What some stores cannot offer. Such a store declares why, and the cases that need it are skipped. */
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
  /** The database's clock can be set back, or what is stored moved ahead of it. */
  | 'setBack'

/** An empty, migrated outbox of its own, with at least four lanes, and what the cases need around it. */
export interface StoreFixture {
  /** The store under test, on empty tables. */
  readonly store: Store
  /** Opens a second store on the same outbox. The case closes it. */
  another?(): Promise<Store>
  /** Opens a store where nothing was migrated. The case closes it; the fixture removes what it made. */
  unmigrated?(): Promise<Store>
  /**
   * Runs `work` inside a savepoint of `tx`, rolled back when it throws.
   * Default: the statements SAVEPOINT, RELEASE and ROLLBACK TO through the transaction adapter.
   */
  savepoint?(tx: unknown, work: () => Promise<void>): Promise<void>
  /**
   * Sets the clock back by so many ms, or does what amounts to the same: adds as much to each stored instant, except
   * the far future (9999-12-31).
   */
  setBack?(duration: number): Promise<void>
  /** Closes the store and removes the outbox. */
  close(): Promise<void>
}

export const { it, requires } = caseWriter<StoreFixture, StoreCapability>()

/** A case with two stores on one outbox, as two processes have them. */
export function ofTwo(name: string, run: (store: Store, second: Store) => Promise<void>) {
  return requires('another')(name, ({ store, another }) => during(another, (second) => run(store, second)))
}

/** A case that begins where nothing was migrated. */
export function unmigrated(name: string, run: (store: Store) => Promise<void>) {
  return requires('unmigrated')(name, (fixture) => during(fixture.unmigrated, run))
}

/** Opens a store for `work`, and closes it. */
async function during(open: () => Promise<Store>, work: (store: Store) => Promise<void>): Promise<void> {
  const store = await open()
  try {
    await work(store)
  } finally {
    await store.close()
  }
}
