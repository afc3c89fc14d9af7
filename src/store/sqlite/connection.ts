import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { Row } from '../statement.ts'

/** How many statements stay prepared: far more than the outbox has that do not vary. */
const CAPACITY = 200

/** One connection of our own, with its prepared statements. */
export class Connection {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  get isTransaction(): boolean {
    return this.#database.isTransaction
  }

  all(sql: string, ...values: readonly SQLInputValue[]): readonly Row[] {
    return this.cached(sql).all(...values)
  }

  get(sql: string, ...values: readonly SQLInputValue[]): Row | undefined {
    return this.cached(sql).get(...values)
  }

  /** Rows as arrays, which is twice as fast where there are many columns. The statement is not to be used otherwise. */
  tuples(sql: string, ...values: readonly SQLInputValue[]): readonly (readonly unknown[])[] {
    const statement = this.cached(sql)
    statement.setReturnArrays(true)
    return statement.all(...values) as unknown as readonly (readonly unknown[])[]
  }

  /** Rows one by one: stop early and the rest is never read. */
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

  /** A statement of the caller's own, which nobody else uses. */
  prepare(sql: string): StatementSync {
    return this.#database.prepare(sql)
  }

  cached(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (!statement) {
      statement = this.#database.prepare(sql)
      const oldest = this.#statements.keys().next()
      if (this.#statements.size >= CAPACITY && !oldest.done) this.#statements.delete(oldest.value)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  close(): void {
    this.#statements.clear()
    if (this.#database.isOpen) this.#database.close()
  }
}
