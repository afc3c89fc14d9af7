/** How many statements are kept for one database: far more than the outbox has. */
const CAPACITY = 64

/**
 * Prepared statements by database and text, so that a synchronous library parses each once. They are collected with
 * their database.
 */
export class StatementCache<Database extends object, Prepared> {
  readonly #prepare: (database: Database, text: string) => Prepared
  readonly #capacity: number
  readonly #byDatabase = new WeakMap<Database, Map<string, Prepared>>()

  /** `capacity`: how many are kept for each. */
  constructor(prepare: (database: Database, text: string) => Prepared, capacity = CAPACITY) {
    this.#prepare = prepare
    this.#capacity = capacity
  }

  get(database: Database, text: string): Prepared {
    let statements = this.#byDatabase.get(database)
    if (!statements) this.#byDatabase.set(database, (statements = new Map()))
    let prepared = statements.get(text)
    if (prepared === undefined) {
      prepared = this.#prepare(database, text)
      const oldest = statements.keys().next()
      if (statements.size >= this.#capacity && !oldest.done) statements.delete(oldest.value)
      statements.set(text, prepared)
    }
    return prepared
  }

  /** Forgets the statements of a database that was closed and opened again. */
  forget(database: Database): void {
    this.#byDatabase.delete(database)
  }
}
