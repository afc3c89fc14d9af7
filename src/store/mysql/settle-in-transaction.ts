import type { Outcome, Ownership, RelayStore } from '../relay-store.ts'
import type { Lender } from './client.ts'
import { settleByOwner } from './settle.ts'
import type { Tables } from './tables.ts'

type Settled = Awaited<ReturnType<RelayStore['settleInTransaction']>>

/** Rolls the transaction back and carries the result out of it. */
class NotRecorded extends Error {
  override readonly name = 'NotRecorded'
  readonly outcome: Outcome | undefined
  constructor(outcome: Outcome | undefined) {
    super('not recorded: the transaction is rolled back')
    this.outcome = outcome
  }
}

/** Runs a handler's work and records its event in one transaction: both commit, or neither does. */
export function settleInTransaction(handlers: Lender, t: Tables): RelayStore['settleInTransaction'] {
  const settle = settleByOwner(t)
  return async (ownership: Ownership, work): Promise<Settled> => {
    try {
      return await handlers.lend(async ({ native, conclude }) => {
        const outcome = await work(native)
        if (outcome?.kind !== 'published') throw new NotRecorded(outcome)
        if (!(await conclude((tx) => settle(tx, ownership, outcome)))) throw new NotRecorded(outcome)
        return { outcome, recorded: true }
      })
    } catch (error) {
      if (error instanceof NotRecorded) return { outcome: error.outcome, recorded: false }
      throw error
    }
  }
}
