import type { AdminMove, AdminStore, Condition, Hold, MoveReport } from '../store/admin-store.ts'
import type { StoredOperation } from '../store/operation-store.ts'
import { moveInPeace } from './move-in-peace.ts'

/** What a step is about. */
interface StepTerms {
  readonly move: AdminMove
  /** What an event must meet when it is moved. */
  readonly where: readonly Condition[]
  /** The operation's position when all ids are dealt with. */
  readonly end: string
  readonly owner: string
  readonly lease: number
  /** Milliseconds by which the step began later than the rate had it. */
  readonly behind: number
}

/**
 * The moves of one step of an operation. Each deals with the ids from where the one before ended up to the first that is busy,
 * and writes down how far it came in its own transaction. So whoever makes the step again, whatever died, begins behind that.
 */
export class StepMoves {
  readonly #admin: AdminStore
  readonly #operation: StoredOperation
  readonly #terms: StepTerms
  #rest: readonly string[]
  #after: string | null
  #moved = 0
  #isOurs = true
  /** Ids that were busy: what was to be sent then, and is published when its lane is quiet, was sent, and stays. */
  readonly #waited = new Set<string>()

  constructor(admin: AdminStore, operation: StoredOperation, ids: readonly string[], terms: StepTerms) {
    this.#admin = admin
    this.#operation = operation
    this.#terms = terms
    this.#rest = ids
    this.#after = operation.position
  }

  /** Resolves with how many were moved; undefined = the operation is not ours any more. */
  async make(): Promise<number | undefined> {
    const admin = {
      hold: this.#admin.hold,
      lift: this.#admin.lift,
      move: (...[, , holds]: Parameters<AdminStore['move']>) => this.#go(holds, false),
    }
    await moveInPeace(admin, this.#rest, this.#terms.move, { giveUp: (holds) => this.#go(holds, true) })
    return this.#isOurs ? this.#moved : undefined
  }

  async #go(holds: readonly Hold[], leaveBusy: boolean): Promise<MoveReport> {
    const { move, where, end, owner, lease, behind } = this.#terms
    const { id, rate, audit } = this.#operation
    const step = { id, owner, after: this.#after, end, leaveBusy, rate, movedBefore: this.#moved, behind, lease }
    const report = await this.#admin.move(this.#rest, move, holds, {
      where: [...where, ...this.#unsent()],
      step,
      entry: audit ?? undefined,
    })
    if (report.passed === undefined) {
      this.#isOurs = false
      return report
    }
    for (const busy of report.busy) this.#waited.add(busy)
    this.#moved += report.moved.length
    this.#after = this.#rest[report.passed - 1] ?? this.#after
    this.#rest = this.#rest.slice(report.passed)
    return report
  }

  #unsent(): readonly Condition[] {
    if (this.#terms.move.kind !== 'delete' || this.#waited.size === 0) return []
    const others: Condition = { column: 'id', op: 'notIn', values: [...this.#waited] }
    return [{ op: 'any', groups: [[{ column: 'status', op: 'ne', value: 'published' }], [others]] }]
  }
}
