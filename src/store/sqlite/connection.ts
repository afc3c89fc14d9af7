import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { memberOf } from '../../foundation/inner-errors.ts'
import type { Row } from '../statement.ts'
import { StatementCache } from './statement-cache.ts'

/** How many statements stay prepared: far more than the outbox has fixed ones. */
const CAPACITY = 200

/** One of our own connections, with its prepared statements. */
export class Connection {
  readonly #database: DatabaseSync
  readonly #statements = new StatementCache((database: DatabaseSync, sql: string) => database.prepare(sql), CAPACITY)
  /** Statements that met an integer that no number can hold: plain SQL may have written one anywhere. */
  readonly #wide = new WeakSet<StatementSync>()

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  get isTransaction(): boolean {
    return this.#database.isTransaction
  }

  /** An integer beyond 2^53 comes as a bigint. */
  all(sql: string, ...values: readonly SQLInputValue[]): readonly Row[] {
    return this.#read(this.cached(sql), (statement) => statement.all(...values))
  }

  get(sql: string, ...values: readonly SQLInputValue[]): Row | undefined {
    return this.cached(sql).get(...values)
  }

  /** Rows as arrays, twice as fast with many columns. The statement cannot be used otherwise any more. */
  tuples(sql: string, ...values: readonly SQLInputValue[]): readonly (readonly unknown[])[] {
    const statement = this.cached(sql)
    statement.setReturnArrays(true)
    return this.#read(statement, () => statement.all(...values) as unknown as readonly (readonly unknown[])[])
  }

  /** Bigints only where they are needed: they cost time. */
  #read<Given extends object>(
    statement: StatementSync,
    read: (statement: StatementSync) => readonly Given[],
  ): readonly Given[] {
    try {
      const rows = read(statement)
      if (this.#wide.has(statement)) for (const row of rows) narrow(row)
      return rows
    } catch (error) {
      if (this.#wide.has(statement) || memberOf(error, 'code') !== 'ERR_OUT_OF_RANGE') throw error
      this.#wide.add(statement)
      statement.setReadBigInts(true)
      return this.#read(statement, read)
    }
  }

  /** Rows one by one: when stopped early, the rest is never read. */
  iterate(sql: string, ...values: readonly SQLInputValue[]): Iterable<Row> {
    return this.cached(sql).iterate(...values)
  }

  /** Returns how many rows changed. */
  run(sql: string, ...values: readonly SQLInputValue[]): number {
    return Number(this.cached(sql).run(...values).changes)
  }

  /** Runs statements without values or rows. */
  exec(sql: string): void {
    this.#database.exec(sql)
  }

  /** A statement that only the caller uses. */
  prepare(sql: string): StatementSync {
    return this.#database.prepare(sql)
  }

  cached(sql: string): StatementSync {
    return this.#statements.get(this.#database, sql)
  }

  close(): void {
    this.#statements.forget(this.#database)
    if (this.#database.isOpen) this.#database.close()
  }
}

/** Turns bigints that a number can hold into numbers, in place. */
function narrow(row: object): void {
  for (const [name, value] of Object.entries(row)) {
    if (typeof value === 'bigint' && Number.isSafeInteger(Number(value))) Reflect.set(row, name, Number(value))
  }
}
