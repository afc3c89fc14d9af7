import assert from 'node:assert/strict'
import type { Store } from '../../store/store.ts'

/** Runs `work` in a savepoint, rolled back when it throws; the error is then swallowed. */
export async function savepoint(
  fixture: {
    readonly store: Store
    savepoint?(tx: unknown, work: () => Promise<void>): Promise<void>
  },
  tx: unknown,
  work: () => Promise<void>,
): Promise<void> {
  const adapter = fixture.store.transactionAdapter
  const run = (sql: string) => adapter.execute(tx, { strings: [sql], values: [] })
  try {
    if (fixture.savepoint) {
      await fixture.savepoint(tx, work)
      return
    }
    await run('SAVEPOINT conformance')
    try {
      await work()
    } catch (error) {
      await run('ROLLBACK TO SAVEPOINT conformance')
      throw error
    } finally {
      await run('RELEASE SAVEPOINT conformance')
    }
  } catch (error) {
    if (!(error instanceof RolledBackError)) throw error
  }
}

/** Thrown by cases to roll something back. */
export class RolledBackError extends Error {
  override readonly name = 'RolledBackError'
}

/** Runs `work` in a transaction that is rolled back. */
export async function rolledBack(store: Store, work: (tx: unknown) => Promise<void>): Promise<void> {
  await assert.rejects(
    store.transaction(async (tx) => {
      await work(tx)
      throw new RolledBackError()
    }),
    RolledBackError,
  )
}
