import type { Lender } from './loan-transaction.ts'
import type { Outcome, Ownership, RelayStore } from './relay-store.ts'

/** Rolls the transaction back and carries the result out of it. */
class NotRecordedError extends Error {
  override readonly name = 'NotRecordedError'
  readonly outcome: Outcome | undefined
  constructor(outcome: Outcome | undefined) {
    super('not recorded: the transaction is rolled back')
    this.outcome = outcome
  }
}

/** Records one event as published if its lane is still ours; resolves with whether it was recorded. */
export type SettleByOwner<Runs> = (
  tx: Runs,
  ownership: Ownership,
  outcome: Extract<Outcome, { readonly kind: 'published' }>,
) => Promise<boolean>

/** Runs a handler's work and records its event in one transaction: both commit, or neither does. */
export function settleInTransaction<Runs>(
  handlers: Lender<Runs>,
  settle: SettleByOwner<Runs>,
): RelayStore['settleInTransaction'] {
  return async (ownership, work) => {
    try {
      return await handlers.lend(async ({ native, conclude }) => {
        const outcome = await work(native)
        if (outcome?.kind !== 'published') throw new NotRecordedError(outcome)
        if (!(await conclude((tx) => settle(tx, ownership, outcome)))) throw new NotRecordedError(outcome)
        return { outcome, recorded: true }
      })
    } catch (error) {
      if (error instanceof NotRecordedError) return { outcome: error.outcome, recorded: false }
      throw error
    }
  }
}
