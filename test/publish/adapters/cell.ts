import type { PGlite } from '@electric-sql/pglite'
import type { Store } from '../../../src/store/store.ts'
import type { TransactionAdapter } from '../../../src/store/transaction-adapter.ts'

/** The databases of the matrix. */
export const DATABASES = ['postgres', 'pglite', 'sqlite', 'mariadb', 'mysql'] as const
export type DatabaseName = (typeof DATABASES)[number]

/** One database with a migrated outbox and a table `orders (id text)`, as the application's client reaches it. */
export interface Place {
  readonly store: Store
  /** Reaches the same database, and tables that are not there. */
  readonly unmigrated: Store
  /** Names `orders` so that any connection finds it. */
  readonly orders: string
  /** Of a server. */
  readonly url: string
  /** Of a SQLite file. */
  readonly path: string
  readonly pglite: PGlite | undefined
  /** The ids in `orders`, past the library. */
  orderIds(): Promise<readonly string[]>
  close(): Promise<void>
}

/** An open transaction of a library, or a nested one. */
export interface Scope {
  /** What the application would pass to `publish`. */
  readonly tx: unknown
  /** Runs a statement of the application's own, through the library. */
  exec(sql: string): unknown
  /** Runs work in a nested transaction or savepoint; an error rolls it back and is thrown. */
  nest(work: Work): unknown
}

/** What is done in a transaction, step by step, each a promise or not: so the same work fits synchronous libraries. */
export type Work = (scope: Scope) => Generator<unknown, void, unknown>

/** A library on a database, ready to be used. */
export interface Cell {
  readonly adapter: TransactionAdapter<unknown>
  /** The library is synchronous. */
  readonly sync?: true
  /** Runs work in a transaction; an error rolls it back and is thrown. */
  transact(work: Work): unknown
  /** What is no transaction, by what it is. */
  readonly refused: Readonly<Record<string, unknown>>
  close(): unknown
}

/** How a cell is opened. */
export type OpenCell = (place: Place) => Promise<Cell>

/** Does the steps of work one after the other, waiting for each. */
export async function walk(steps: Generator<unknown, void, unknown>): Promise<void> {
  let step = steps.next()
  while (!step.done) {
    let value: unknown
    try {
      value = await step.value
    } catch (error) {
      step = steps.throw(error)
      continue
    }
    step = steps.next(value)
  }
}

/** The same without waiting. */
export function walkSync(steps: Generator<unknown, void, unknown>): void {
  let step = steps.next()
  while (!step.done) step = steps.next(step.value)
}

/** A scope of a library whose nested transactions are savepoints by hand. */
export function savepointScope(tx: unknown, exec: (sql: string) => unknown): Scope {
  const scope: Scope = {
    tx,
    exec,
    async nest(work) {
      await exec('SAVEPOINT inside')
      try {
        await walk(work(scope))
      } catch (error) {
        await exec('ROLLBACK TO SAVEPOINT inside')
        throw error
      }
      await exec('RELEASE SAVEPOINT inside')
    },
  }
  return scope
}

/** Runs work between BEGIN and COMMIT on what `exec` reaches. */
export async function betweenBeginAndCommit(
  tx: unknown,
  exec: (sql: string) => unknown,
  work: Work,
  begin = 'BEGIN',
): Promise<void> {
  await exec(begin)
  try {
    await walk(work(savepointScope(tx, exec)))
  } catch (error) {
    await exec('ROLLBACK')
    throw error
  }
  await exec('COMMIT')
}
