import { randomUUID } from 'node:crypto'
import { describeError } from '../foundation/describe-error.ts'
import type { AdminMove, Condition } from '../store/admin-store.ts'
import { isRetryable } from '../store/database-error.ts'
import { pauseAfter, type StoredOperation } from '../store/operation-store.ts'
import type { Store } from '../store/store.ts'
import { backendOf, readConditions } from './background-operations.ts'
import { MoveInterruptedError } from './move-in-peace.ts'
import { replayTo } from './replay-to.ts'
import { StepMoves } from './step-moves.ts'

/** An operation whose worker died goes on at another after this long, in ms; longer than a step, which waits for workers. */
const LEASE = 30_000
/** Events moved in one step. */
const STEP = 500
/** Rows read in one step. */
const ROWS = 10_000
/** What a slow step missed of its rate is made up for as long as this, in ms: more would come all at once. */
const CATCH_UP = 1_000

/** Works on operations, a bounded step at a time. */
export class OperationRunner {
  readonly #store: Store
  /** The name under which it takes operations. */
  readonly owner = randomUUID()
  /** When the next step of an operation with a rate is to begin, by the monotonic clock. */
  #due: { readonly id: number; readonly at: number } | undefined

  constructor(store: Store) {
    this.#store = store
  }

  /**
   * Makes one step of an operation that is due, if there is one. Resolves with the milliseconds until the next; Infinity =
   * there is none.
   */
  async step(): Promise<number> {
    const { operations } = this.#store
    const operation = await operations.take(this.owner, LEASE)
    if (operation === undefined) {
      this.#due = undefined
      return Number.POSITIVE_INFINITY
    }
    const { id, rate } = operation
    const now = performance.now()
    const behind = this.#due?.id === id ? Math.min(CATCH_UP, Math.max(0, now - this.#due.at)) : 0
    try {
      const moved = await this.#stepOf(operation, behind)
      this.#due = rate === null ? undefined : { id, at: now - behind + (moved / rate) * 1_000 }
      return pauseAfter(moved, rate, behind)
    } catch (thrown) {
      const error = thrown instanceof MoveInterruptedError ? thrown.cause : thrown
      // A database that is down or busy is asked again; the lease keeps the operation ours meanwhile.
      if (isRetryable(error)) throw error
      await operations.change(operation.id, ['running'], 'failed', describeError(error))
    }
    return 0
  }

  /** Resolves with how many were moved. */
  async #stepOf(operation: StoredOperation, behind: number): Promise<number> {
    const { id, kind, params, conditions, beganAt, position, rate } = operation
    const { admin, operations } = this.#store
    const where: readonly Condition[] = [
      ...readConditions(conditions),
      // Of which the microseconds were cut off.
      { column: 'createdAt', op: 'lt', value: new Date(beganAt.getTime() + 1) },
    ]
    const limit = rate === null ? STEP : Math.max(1, Math.min(STEP, Math.floor(rate)))
    const { ids, next } = await admin.walk({ where, after: position, rows: ROWS, limit })
    const end = next ?? ids.at(-1) ?? null
    const { owner } = this
    const to = kind === 'replay' ? backendOf(params) : null
    if (end === null || ids.length === 0 || to !== null) {
      const moved = to === null ? 0 : await this.#replayTo(to, operation, ids, where)
      const pause = pauseAfter(moved, rate, behind)
      const step = { moved: 0, leftAlone: ids.length - moved, position: end, pause, lease: LEASE }
      const isOurs = await operations.advance(id, owner, step)
      if (isOurs && next === null) await operations.change(id, ['running'], 'done')
      return moved
    }
    const terms = { move: moveOf(kind, params), where, end, owner, lease: LEASE, behind }
    const moved = await new StepMoves(admin, operation, ids, terms).make()
    if (moved !== undefined && next === null) await operations.change(id, ['running'], 'done')
    return moved ?? 0
  }

  /** Many moves: what they did is marked, and so is not done again where the step is. Resolves with how many were moved. */
  async #replayTo(
    to: string,
    { id, position }: StoredOperation,
    ids: readonly string[],
    where: readonly Condition[],
  ): Promise<number> {
    const { admin } = this.#store
    const step = { id, owner: this.owner, after: position, end: null, leaveBusy: false, rate: null } as const
    const counting = {
      ...admin,
      move: (...[some, what, holds, terms]: Parameters<typeof admin.move>) =>
        admin.move(some, what, holds, { ...terms, step: { ...step, movedBefore: 0, behind: 0, lease: LEASE } }),
    }
    return ids.length === 0 ? 0 : (await replayTo(counting, ids, to, { where }, id)).moved.length
  }
}

function moveOf(kind: string, params: string): AdminMove {
  switch (kind) {
    case 'requeue':
    case 'replay':
    case 'skip':
    case 'cancel':
      return { kind }
    case 'reschedule':
      return { kind, at: new Date(String((JSON.parse(params) as { readonly at?: unknown }).at)) }
    case 'delete':
      return { kind, published: true }
    default:
      throw new Error(`this version does not know how to ${kind}; a newer one began that`)
  }
}
