import type { ActedBy } from './actor.ts'
import type { Audit, AuditCounts, AuditTarget } from './audit-log.ts'
import type { Defined } from './defined.ts'
import { checkTarget, type MoveOptions, type MoveTarget } from './move-events.ts'
import type { MoveResult } from './move-in-peace.ts'
import { type Moves, requireStorableDate } from './moves.ts'
import { requireBackend } from './require-backend.ts'

/** How an operator moves events: with the usual options, and who it is. */
export interface ActOptions extends MoveOptions, ActedBy {}

/** Moves the events that a target means, writes that down in the audit, and resolves with the outcome of each. */
export type ActOnEvents = <Chosen extends MoveTarget>(
  target: Chosen & Defined<Chosen>,
  options?: ActOptions,
) => Promise<MoveResult>

/** How published events are sent again. */
export interface ReplayOptions extends ActOptions {
  /** The backend that gets them, by its name. Default: the one that each was for. */
  readonly to?: string | undefined
}

/** Sends events again. Throws `UNKNOWN_BACKEND`. */
export type ReplayEvents = <Chosen extends MoveTarget>(
  target: Chosen & Defined<Chosen>,
  options?: ReplayOptions,
) => Promise<MoveResult>

/** The same, to a due time. Throws `INVALID_OPTION` for one that cannot be stored. */
export type RescheduleByOperator = <Chosen extends MoveTarget>(
  target: Chosen & Defined<Chosen>,
  at: Date,
  options?: ActOptions,
) => Promise<MoveResult>

/** The moves of the door: each is in the audit. */
export class AuditedMoves {
  readonly #moves: Moves
  readonly #audit: Audit
  readonly #names: () => readonly string[]

  /** `names`: the backends that are configured. */
  constructor(moves: Moves, audit: Audit, names: () => readonly string[]) {
    this.#moves = moves
    this.#audit = audit
    this.#names = names
  }

  move(what: 'requeue' | 'skip' | 'cancel' | 'delete', target: MoveTarget, options?: ActOptions): Promise<MoveResult> {
    return this.#write(what, target, options, (rest, entry) => this.#moves[what](target, rest, entry))
  }

  async replay(target: MoveTarget, { to, ...options }: ReplayOptions = {}): Promise<MoveResult> {
    if (to === undefined) return this.#write('replay', target, options, (rest) => this.#moves.replay(target, rest))
    requireBackend(to, this.#names(), 'to')
    return this.#write('replay', target, options, (rest) => this.#moves.replayTo(target, to, rest), to)
  }

  async reschedule(target: MoveTarget, at: Date, options?: ActOptions): Promise<MoveResult> {
    requireStorableDate(at)
    return this.#write('reschedule', target, options, (rest) => this.#moves.reschedule(target, at, rest), at)
  }

  async #write(
    what: string,
    target: MoveTarget,
    { by, reason, ...rest }: ActOptions = {},
    work: (options: MoveOptions, entry: number) => Promise<MoveResult>,
    to?: Date | string,
  ): Promise<MoveResult> {
    checkTarget(target)
    let done: MoveResult = { moved: [], tooLate: [], unknown: [] }
    const onProgress = (count: number, soFar: MoveResult): void => {
      done = soFar
      rest.onProgress?.(count, soFar)
    }
    const action = { what, target: { ...targetOf(target), ...(to && { to }) }, by, reason }
    return this.#audit.write(
      action,
      (entry) => work({ ...rest, onProgress }, entry),
      (result = done) => countsOf(target, result),
      () => rest.signal?.aborted === true,
    )
  }
}

/** What the audit says of a target. */
export function targetOf(target: MoveTarget): AuditTarget {
  if (typeof target === 'string') return { ids: [target] }
  if (Array.isArray(target)) return { ids: target }
  return 'all' in target ? { all: true } : { filter: target }
}

function countsOf(target: MoveTarget, { moved, tooLate, unknown }: MoveResult): AuditCounts {
  const asked = Array.isArray(target) ? new Set(target).size : typeof target === 'string' ? 1 : 0
  const leftAlone = Math.max(0, asked - moved.length - tooLate.length - unknown.length)
  return { moved: moved.length, tooLate: tooLate.length, unknown: unknown.length, leftAlone }
}
