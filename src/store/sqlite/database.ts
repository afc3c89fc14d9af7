import type { DatabaseSync } from 'node:sqlite'
import { BroadcasterError } from '../../errors.ts'
import { whileBusy } from './busy.ts'
import { Connection } from './connection.ts'
import { type SqliteTransaction, TransactionHandle } from './sqlite-transaction.ts'
import { Turns } from './turns.ts'

export interface DatabaseOptions {
  readonly path: string
  readonly synchronous: 'normal' | 'full'
  /** Milliseconds. */
  readonly busyTimeout: number
  /** The statements that transactions keep prepared. */
  readonly ours: ReadonlySet<string>
}

interface Opened {
  /** Reads, and our own short writes. */
  readonly main: Connection
  /** Transactions that user code runs in, which may wait for other things meanwhile. */
  readonly transactions: Connection
}

/** The outcome of a transaction's work. */
export interface Decision<T> {
  readonly commit: boolean
  readonly value: T
}

/** The SQLite file, opened by us at first use over two connections, so that reads go on while a transaction is open. */
export class Database {
  readonly #options: DatabaseOptions
  readonly #turns = new Turns()
  #opening: Promise<Opened> | undefined
  #closed = false

  constructor(options: DatabaseOptions) {
    this.#options = options
  }

  /** Runs `work` on one snapshot. */
  async read<T>(work: (db: Connection) => T): Promise<T> {
    const { main } = await this.#open()
    return whileBusy(this.#options.busyTimeout, () => {
      main.run('BEGIN')
      try {
        return work(main)
      } finally {
        if (main.isTransaction) main.run('COMMIT')
      }
    })
  }

  /** Runs `work` in a transaction of its own, without an await in it: it is short. */
  async write<T>(work: (db: Connection) => T): Promise<T> {
    const { main } = await this.#open()
    const done = await this.#turns.take(this.#options.busyTimeout)
    try {
      // Without an await until its end: a read in between would find this transaction open.
      const end = await whileBusy(this.#options.busyTimeout, () => {
        main.run('BEGIN IMMEDIATE')
        try {
          const value = work(main)
          main.run('COMMIT')
          return { value }
        } catch (error) {
          if (main.isTransaction) main.run('ROLLBACK')
          return { error }
        }
      })
      if ('error' in end) throw end.error
      return end.value
    } finally {
      done()
    }
  }

  /** Runs user code in a transaction; it commits when `work` decides so. */
  async transaction<T>(work: (tx: SqliteTransaction, db: Connection) => Promise<Decision<T>>): Promise<T> {
    const { transactions: db } = await this.#open()
    const done = await this.#turns.take(this.#options.busyTimeout)
    const tx = new TransactionHandle(db, this.#options.ours)
    try {
      await whileBusy(this.#options.busyTimeout, () => db.run('BEGIN IMMEDIATE'))
      const { commit, value } = await work(tx, db)
      if (!db.isTransaction) {
        throw new BroadcasterError(
          'TRANSACTION_ENDED',
          'the callback of store.transaction ended its transaction itself; leave COMMIT and ROLLBACK to the store',
        )
      }
      if (commit) db.run('COMMIT')
      return value
    } finally {
      tx.end()
      if (db.isTransaction) db.run('ROLLBACK')
      done()
    }
  }

  /** A number that changes when another connection commits. Costs microseconds and no disk access. */
  async dataVersion(): Promise<number> {
    const { main } = await this.#open()
    return Number(main.get('PRAGMA data_version')?.['data_version'])
  }

  /** Closes both connections once what is running has ended, for which it waits at most `busyTimeout`. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const opening = this.#opening
    if (!opening) return
    // What goes on for longer is rolled back.
    const done = await this.#turns.take(this.#options.busyTimeout).catch(() => () => undefined)
    try {
      const { main, transactions } = await opening
      main.close()
      transactions.close()
    } finally {
      done()
    }
  }

  #open(): Promise<Opened> {
    if (this.#closed) {
      return Promise.reject(new BroadcasterError('CLOSED', 'the SQLite store is closed; make a new one'))
    }
    this.#opening ??= this.#connect().catch((error: unknown) => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  async #connect(): Promise<Opened> {
    const { DatabaseSync } = await import('node:sqlite')
    const main = await this.#connection(DatabaseSync)
    try {
      return { main, transactions: await this.#connection(DatabaseSync) }
    } catch (error) {
      main.close()
      throw error
    }
  }

  async #connection(Client: typeof DatabaseSync): Promise<Connection> {
    const { path, busyTimeout, synchronous } = this.#options
    const connection = await whileBusy(busyTimeout, () => new Connection(new Client(path)))
    try {
      // WAL: readers and the writer do not wait for each other. Normal: a power cut can lose the last commits, but
      // never corrupts; full: each commit waits for the disk.
      await whileBusy(busyTimeout, () => {
        connection.exec(`PRAGMA busy_timeout = 0; PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}`)
      })
      return connection
    } catch (error) {
      connection.close()
      throw error
    }
  }
}
