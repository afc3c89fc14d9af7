import { randomUUID } from 'node:crypto'
import { describeError } from '../foundation/describe-error.ts'
import type { AdminMove, Condition } from '../store/admin-store.ts'
import { isRetryable } from '../store/database-error.ts'
import type { StoredOperation } from '../store/operation-store.ts'
import type { Store } from '../store/store.ts'
import { Audit } from './audit-log.ts'
import { backendOf, readConditions } from './background-operations.ts'
import { moveInPeace } from './move-in-peace.ts'
import { replayTo } from './replay-to.ts'

/** An operation whose worker died goes on at another after this long, in ms; longer than a step, which waits for workers. */
const LEASE = 30_000
/** Events moved in one step: each is one transaction. */
const STEP = 500
/** Rows read in one step. */
const ROWS = 10_000

/** Works on operations, a bounded step at a time. */
export class OperationRunner {
  readonly #store: Store
  readonly #audit: Audit
  /** The name under which it takes operations. */
  readonly owner = randomUUID()

  constructor(store: Store, audit: Audit = new Audit(store.audit)) {
    this.#store = store
    this.#audit = audit
  }

  /** Makes one step of an operation that is due, if there is one. Resolves with the milliseconds until the next; Infinity = there is none. */
  async step(): Promise<number> {
    const { operations } = this.#store
    const operation = await operations.take(this.owner, LEASE)
    if (operation === undefined) return Number.POSITIVE_INFINITY
    try {
      return await this.#stepOf(operation)
    } catch (error) {
      // A database that is down or busy is asked again; the lease keeps the operation ours meanwhile.
      if (isRetryable(error)) throw error
      if (await operations.change(operation.id, ['running'], 'failed', describeError(error))) {
        await this.#tell(operation.id, 'failed', error)
      }
    }
    return 0
  }

  async #stepOf({ id, kind, params, conditions, beganAt, position, rate }: StoredOperation): Promise<number> {
    const { admin, operations } = this.#store
    const where: readonly Condition[] = [
      ...readConditions(conditions),
      // Of which the microseconds were cut off.
      { column: 'createdAt', op: 'lt', value: new Date(beganAt.getTime() + 1) },
    ]
    const limit = rate === null ? STEP : Math.max(1, Math.min(STEP, Math.floor(rate)))
    const { ids, next } = await admin.walk({ where, after: position, rows: ROWS, limit })
    // A move of nothing would still lock lanes.
    const counting = {
      ...admin,
      move: (...[some, what, holds]: Parameters<typeof admin.move>) => admin.move(some, what, holds, id),
    }
    const to = kind === 'replay' ? backendOf(params) : null
    const move = () =>
      to === null ? moveInPeace(counting, ids, moveOf(kind, params)) : replayTo(counting, ids, to, {}, id)
    const { moved } = ids.length === 0 ? { moved: [] } : await move()
    const pause = rate === null ? 0 : (moved.length / rate) * 1_000
    const step = { leftAlone: ids.length - moved.length, position: next ?? ids.at(-1) ?? null, pause, lease: LEASE }
    const isOurs = await operations.advance(id, this.owner, step)
    if (isOurs && next === null && (await operations.change(id, ['running'], 'done'))) await this.#tell(id, 'done')
    return pause
  }

  async #tell(id: number, outcome: 'done' | 'failed', error?: unknown): Promise<void> {
    const [ended] = await this.#store.operations.list({ id, before: null, limit: 1 })
    if (!ended || ended.audit === null) return
    await this.#audit.end(ended.audit, outcome, { moved: ended.moved, leftAlone: ended.leftAlone }, error)
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
