import { BroadcasterError } from '../../errors.ts'
import type { NewOutboxEvent } from '../../record/columns.ts'
import type { InboxEntry } from '../inbox-store.ts'
import type { Row, Statement } from '../statement.ts'
import type { TransactionAdapter } from '../transaction-adapter.ts'
import { ENTER, type InboxHolder, turnOf, WITHDRAW } from './inbox.ts'
import { copyRow, isSameEvent, type MemoryOutbox, type MemoryRow } from './memory-outbox.ts'
import { FIND_DUPLICATE, INSERT, newRow } from './publish.ts'

/**
 * A transaction of the memory store: `store.transaction` makes it and ends it. Events stay in it, unseen, until it
 * commits.
 */
export class MemoryTransaction {
  readonly #outbox: MemoryOutbox
  #rows: MemoryRow[] = []
  #entries: InboxEntry[] = []
  /** Entries of earlier transactions that this one removes. */
  #withdrawn: InboxEntry[] = []
  readonly #end = Promise.withResolvers<void>()
  readonly #holder: InboxHolder = { ended: this.#end.promise, waitsFor: undefined }
  #state: 'open' | 'aborted' | 'ended' = 'open'

  constructor(outbox: MemoryOutbox) {
    this.#outbox = outbox
  }

  /** Whether it can still be written on: `aborted` = it can only be rolled back. */
  get state(): 'open' | 'aborted' | 'ended' {
    return this.#state
  }

  /** Waits, as a real database would, for a transaction that has entered the same event and not ended. */
  turn(statement: Statement): Promise<void> | undefined {
    if (statement.strings[0] !== ENTER[0]) return undefined
    return turnOf(this.#outbox.inbox, statement.values[0] as InboxEntry, this.#holder)
  }

  /** Runs one statement of the memory store's own. */
  execute(statement: Statement): readonly Row[] {
    const [value] = statement.values
    if (statement.strings[0] === INSERT[0]) return this.#insert(value as readonly NewOutboxEvent[])
    if (statement.strings[0] === FIND_DUPLICATE[0]) {
      const found = this.#sameAs(value as NewOutboxEvent)
      return found ? [{ ...copyRow(found) }] : []
    }
    if (statement.strings[0] === ENTER[0]) return this.#enter(value as InboxEntry)
    if (statement.strings[0] === WITHDRAW[0]) return this.#withdraw(value as InboxEntry)
    throw new BroadcasterError(
      'ADAPTER_MISMATCH',
      `the memory store cannot run "${statement.strings.join('?')}"; it knows only the statements of its own publish and inbox`,
      { field: 'statement' },
    )
  }

  /** Runs `work` in a savepoint: when it throws, what was published in it is gone, and the error is passed on. */
  async savepoint<T>(work: () => Promise<T>): Promise<T> {
    const [rows, entries, withdrawn] = [this.#rows.length, this.#entries.length, this.#withdrawn.length]
    try {
      return await work()
    } catch (error) {
      this.#rows.length = Math.min(rows, this.#rows.length)
      for (const entry of this.#entries.splice(entries)) this.#outbox.inbox.withdraw(entry)
      this.#withdrawn.length = Math.min(withdrawn, this.#withdrawn.length)
      throw error
    }
  }

  /** From now on it can only be rolled back, as after a failed statement on PostgreSQL. */
  abort(): void {
    if (this.#state === 'open') this.#state = 'aborted'
  }

  /** Makes its events visible. False: it was aborted, and is rolled back. Called by the store. */
  commit(): boolean {
    const aborted = this.#state !== 'open'
    this.#state = 'ended'
    if (aborted) return false
    // Of two transactions that published the same event, the one that committed first stored it.
    const rows = this.#rows.filter((row) => !this.#outbox.sameAs(row))
    for (const row of rows) this.#outbox.add(row)
    for (const entry of this.#withdrawn.splice(0)) this.#outbox.inbox.forget(entry)
    for (const entry of this.#entries.splice(0)) this.#outbox.inbox.commit(entry, this.#outbox.now())
    this.#end.resolve()
    if (rows.some((row) => row.availableAt === null)) this.#outbox.wake()
    return true
  }

  /** Forgets its events. Called by the store. */
  rollback(): void {
    this.#state = 'ended'
    this.#rows = []
    this.#withdrawn = []
    for (const entry of this.#entries.splice(0)) this.#outbox.inbox.withdraw(entry)
    this.#end.resolve()
  }

  #enter(entry: InboxEntry): readonly Row[] {
    if (!this.#outbox.inbox.enter(entry, this.#holder)) return []
    this.#entries.push(entry)
    return [{ entered: 1 }]
  }

  #withdraw(entry: InboxEntry): readonly Row[] {
    const own = this.#entries.findIndex((each) => JSON.stringify(each) === JSON.stringify(entry))
    if (own < 0) {
      this.#withdrawn.push(entry)
      return []
    }
    this.#entries.splice(own, 1)
    this.#outbox.inbox.withdraw(entry)
    return []
  }

  #insert(events: readonly NewOutboxEvent[]): readonly Row[] {
    const now = this.#outbox.now()
    const inserted: Row[] = []
    for (const event of events) {
      if (this.#sameAs(event)) continue
      const row = newRow(this.#outbox, event, now)
      this.#rows.push(row)
      inserted.push({ ...copyRow(row) })
    }
    return inserted
  }

  /** The same event, as this transaction sees it. */
  #sameAs(event: NewOutboxEvent): MemoryRow | undefined {
    return this.#outbox.sameAs(event) ?? this.#rows.find((row) => isSameEvent(row, event))
  }
}

/** The transaction adapter of the memory store, which also runs synchronously. */
export function memoryTransaction(): TransactionAdapter<MemoryTransaction> & {
  executeSync(tx: MemoryTransaction, statement: Statement): readonly Row[]
} {
  return {
    name: 'memory',
    dialect: 'memory',
    check(tx) {
      if (!(tx instanceof MemoryTransaction)) {
        throw new BroadcasterError(
          'NOT_A_TRANSACTION',
          'tx is not a transaction of the memory store; use the one that store.transaction hands to its callback',
          { field: 'tx' },
        )
      }
      if (tx.state === 'ended') {
        throw new BroadcasterError(
          'TRANSACTION_ENDED',
          'tx is a memory transaction that has ended; publish inside the callback of store.transaction',
          { field: 'tx' },
        )
      }
      if (tx.state === 'aborted') {
        throw new BroadcasterError(
          'TRANSACTION_ABORTED',
          'tx is a memory transaction that was aborted and can only roll back',
          { field: 'tx' },
        )
      }
    },
    async execute(tx, statement) {
      this.check(tx)
      for (let turn = tx.turn(statement); turn !== undefined; turn = tx.turn(statement)) {
        await turn
        this.check(tx)
      }
      return tx.execute(statement)
    },
    executeSync(tx, statement) {
      this.check(tx)
      return tx.execute(statement)
    },
  }
}
