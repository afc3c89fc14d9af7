import { BroadcasterError } from '../errors.ts'
import type { AdminStore } from '../store/admin-store.ts'
import type { CoordinationStore } from '../store/coordination-store.ts'
import type { ActedBy } from './actor.ts'
import type { Audit, AuditEntry } from './audit-log.ts'
import type { Operations } from './background-operations.ts'
import { moveInPeace } from './move-in-peace.ts'

/** How something is undone, and by whom. */
export interface UndoOptions extends ActedBy {
  /** Goes on after this event, where an earlier call ended. Default: from the first. */
  readonly after?: string | undefined
  /** How long it works, in milliseconds; it ends after the events that are being moved then. Default: until all is undone. */
  readonly time?: number | undefined
  /** How long events that workers have in hand are waited for, in milliseconds. Default 11,000. */
  readonly patience?: number | undefined
  /** Ends it after the events that are being moved. Default: none. */
  readonly signal?: AbortSignal | undefined
  /** Called with the counts after each 500 events. Default: none. */
  readonly onProgress?: ((soFar: Undone) => void) | undefined
}

/** What came of it. */
export interface Undone {
  /** Events that are what they were before; of a pause 1. */
  readonly undone: number
  /** Events that were sent or tried since, moved by somebody else, or deleted: they stay as they are. Of a pause: it had ended. */
  readonly tooLate: number
  /** Events in hand at a worker that did not answer in time: nothing was changed; ask again. */
  readonly unknown: number
  /** It ended by its time or signal: give it as `after` to go on; null = it did not. */
  readonly next: string | null
}

/** What can be undone. */
export const UNDOABLE: readonly string[] = ['requeue', 'cancel', 'pause']
/** Events in one transaction. */
const BATCH = 500
/** A pause begins between the beginning and the end of its entry, by the database's clock; its age is told, in milliseconds. */
const SLACK = 250

interface Parts {
  readonly admin: AdminStore
  readonly coordination: CoordinationStore
  readonly operations: Operations
  readonly audit: Audit
}

/** Undoes what an operator did, as far as nothing has become of it. */
export class Undo {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async undo(number: number, options: UndoOptions = {}): Promise<Undone> {
    const { audit } = this.#parts
    const entry = await audit.get(number)
    await this.#requireUndoable(entry)
    const { by, reason, signal } = options
    let soFar: Undone = { undone: 0, tooLate: 0, unknown: 0, next: null }
    const { backend } = entry.target
    const onProgress = (counts: Undone): void => {
      soFar = counts
      options.onProgress?.(counts)
    }
    return audit.write<Undone>(
      { what: 'undo', target: { entry: number, ...(backend && { backend }) }, by, reason },
      () => (entry.what === 'pause' ? this.#resume(entry) : this.#moveBack(number, options, onProgress)),
      ({ undone: moved, tooLate, unknown } = soFar) => ({ moved, tooLate, unknown }),
      () => signal?.aborted === true,
    )
  }

  async #requireUndoable({ id, what, operation }: AuditEntry): Promise<void> {
    const refused = (message: string): BroadcasterError =>
      new BroadcasterError('ILLEGAL_STATUS_MOVE', message, { field: 'entry', value: id })
    if (!UNDOABLE.includes(what)) {
      throw refused(`entry ${id} is ${what}, which cannot be undone; only ${UNDOABLE.join(', ')} can`)
    }
    const running = operation === null ? undefined : await this.#parts.operations.find(operation)
    if (running?.state === 'running' || running?.state === 'paused') {
      throw refused(`operation ${operation} of entry ${id} is ${running.state}; cancel it first`)
    }
  }

  async #moveBack(entry: number, options: UndoOptions, onProgress: (soFar: Undone) => void): Promise<Undone> {
    const { admin, audit } = this.#parts
    const { patience, signal, time = Number.POSITIVE_INFINITY } = options
    const end = performance.now() + time
    let soFar: Undone = { undone: 0, tooLate: 0, unknown: 0, next: null }
    let after = options.after ?? null
    for (;;) {
      const ids = await audit.moved(entry, { after, limit: BATCH })
      if (ids.length === 0) return soFar
      if (signal?.aborted === true || performance.now() > end) return { ...soFar, next: after }
      const { moved, unknown } = await moveInPeace(admin, ids, { kind: 'undo', entry }, { patience, signal })
      soFar = {
        undone: soFar.undone + moved.length,
        tooLate: soFar.tooLate + ids.length - moved.length - unknown.length,
        unknown: soFar.unknown + unknown.length,
        next: null,
      }
      onProgress(soFar)
      after = ids.at(-1) ?? after
    }
  }

  /** Only the pause that the entry began: a later one is somebody else's. */
  async #resume({ at, endedAt, target, who }: AuditEntry): Promise<Undone> {
    const { coordination, admin } = this.#parts
    const backend = target.backend ?? ''
    // Its age is told, not its time: it began between what these two say, however long the answers were under way.
    const before = await admin.look()
    const { breakers } = await coordination.look([backend])
    const after = await admin.look()
    const paused = breakers.find((one) => one.backend === backend)?.paused
    const isThis =
      paused?.by === who &&
      after.now.getTime() - paused.since >= at.getTime() - SLACK &&
      before.now.getTime() - paused.since <= (endedAt ?? after.now).getTime() + SLACK
    const resumed = isThis && (await coordination.breakers.resume(backend))
    return { undone: resumed ? 1 : 0, tooLate: resumed ? 0 : 1, unknown: 0, next: null }
  }
}
