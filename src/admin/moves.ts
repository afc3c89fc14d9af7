import { BroadcasterError } from '../errors.ts'
import { showValue } from '../foundation/problem.ts'
import type { RecordSource } from '../record/record-source.ts'
import type { Status } from '../record/status.ts'
import type { AdminMove, AdminStore, Condition } from '../store/admin-store.ts'
import type { Defined } from './defined.ts'
import { EventQuery } from './event-query.ts'
import { MOVABLE } from './movable.ts'
import { type MoveOptions, type MoveTarget, matchingEvents, moveEvents } from './move-events.ts'
import { MoveInterruptedError, type MoveResult, moveInPeace } from './move-in-peace.ts'
import { replayTo } from './replay-to.ts'
import { isStorableDate } from './storable-date.ts'

/** What a move would do. */
export interface MovePreview {
  /** Events that would be moved. */
  readonly matches: number
  /** Events that are meant, and would stay: their status forbids it. */
  readonly unchanged: number
  /** Ids without an event. */
  readonly missing: number
}

/** Moves the events that a target means, and resolves with the outcome of each. */
export type MoveEvents = <Chosen extends MoveTarget>(
  target: Chosen & Defined<Chosen>,
  options?: MoveOptions,
) => Promise<MoveResult>

/** The same, to a due time. Throws `INVALID_OPTION` for one that cannot be stored. */
export type RescheduleEvents = <Chosen extends MoveTarget>(
  target: Chosen & Defined<Chosen>,
  at: Date,
  options?: MoveOptions,
) => Promise<MoveResult>

/** Throws `INVALID_OPTION` for an invalid due time. */
export function requireStorableDate(at: Date): void {
  if (isStorableDate(at)) return
  const message = `at is ${showValue(at)}; give a Date of the years 1 to 9999`
  throw new BroadcasterError('INVALID_OPTION', message, { field: 'at', value: at })
}

/** What operators do to events, once: `broadcaster.admin` and `broadcaster.events` both call it. */
export class Moves {
  readonly #admin: AdminStore
  readonly #records: RecordSource

  constructor(admin: AdminStore, records: RecordSource) {
    this.#admin = admin
    this.#records = records
  }

  /** `entry`: the one of the audit, under which it can be undone. */
  requeue(target: MoveTarget, options?: MoveOptions, entry?: number): Promise<MoveResult> {
    return this.#move(target, { kind: 'requeue' }, MOVABLE.requeue, options, entry)
  }

  replay(target: MoveTarget, options?: MoveOptions): Promise<MoveResult> {
    return this.#move(target, { kind: 'replay' }, MOVABLE.replay, options)
  }

  /** Replays to a backend, perhaps another. */
  replayTo(target: MoveTarget, to: string, options: MoveOptions = {}): Promise<MoveResult> {
    const { patience, signal } = options
    const apply = async (ids: readonly string[], where: readonly Condition[]): Promise<MoveResult> => ({
      ...(await replayTo(this.#admin, ids, to, { patience, signal, where })),
      tooLate: [],
    })
    return moveEvents(this.#query(), target, MOVABLE.replay, apply, options)
  }

  skip(target: MoveTarget, options?: MoveOptions): Promise<MoveResult> {
    return this.#move(target, { kind: 'skip' }, MOVABLE.skip, options)
  }

  /** The same. */
  cancel(target: MoveTarget, options?: MoveOptions, entry?: number): Promise<MoveResult> {
    return this.#move(target, { kind: 'cancel' }, MOVABLE.cancel, options, entry)
  }

  async reschedule(target: MoveTarget, at: Date, options?: MoveOptions): Promise<MoveResult> {
    requireStorableDate(at)
    return this.#move(target, { kind: 'reschedule', at }, MOVABLE.reschedule, options)
  }

  delete(target: MoveTarget, options?: MoveOptions): Promise<MoveResult> {
    return this.#move(target, { kind: 'delete', published: true }, undefined, options)
  }

  /** Counts what a move would change, and changes nothing. */
  async preview(kind: keyof typeof MOVABLE, target: MoveTarget): Promise<MovePreview> {
    const { matching, ids } = matchingEvents(this.#query(), target)
    const matches = await matching.filter({ status: MOVABLE[kind] }).count()
    const unchanged = (await matching.count()) - matches
    return { matches, unchanged, missing: Math.max(0, ids - matches - unchanged) }
  }

  /** Moves one event; false when its status forbids it, or there is none. Throws `EVENT_IN_HAND`. */
  async one(id: string, move: AdminMove): Promise<boolean> {
    const { moved, unknown } = await moveInPeace(this.#admin, [id], move)
    if (unknown.length > 0) {
      const message = `event ${id} is in hand at a worker that did not answer in time; nothing was changed: try again`
      throw new BroadcasterError('EVENT_IN_HAND', message, { field: 'id', value: id })
    }
    return moved.length > 0
  }

  #move(
    target: MoveTarget,
    move: AdminMove,
    statuses: readonly Status[] | undefined,
    options: MoveOptions = {},
    entry?: number,
  ): Promise<MoveResult> {
    const apply = async (ids: readonly string[], where: readonly Condition[]): Promise<MoveResult> => {
      const { patience, signal } = options
      const { moved, unknown } = await moveInPeace(this.#admin, ids, move, { patience, signal, where, entry })
      const known = new Set([...moved, ...unknown])
      // Only what is still to be sent can be too late.
      const mayBeLate = move.kind !== 'replay' && move.kind !== 'skip'
      try {
        const tooLate = !mayBeLate ? [] : await this.#published(ids.filter((id) => !known.has(id)))
        return { moved, tooLate, unknown }
      } catch (error) {
        throw new MoveInterruptedError(error, moved)
      }
    }
    return moveEvents(this.#query(), target, statuses, apply, options)
  }

  /** Those of these events that are published. */
  async #published(ids: readonly string[]): Promise<readonly string[]> {
    if (ids.length === 0) return []
    const where: Condition[] = [
      { column: 'id', op: 'in', values: ids },
      { column: 'status', op: 'eq', value: 'published' },
    ]
    const rows = await this.#admin.list({ where, order: [], limit: null, offset: 0, columns: ['id'] })
    return rows.flatMap(({ id }) => id ?? [])
  }

  #query(): EventQuery {
    return new EventQuery(this.#admin, this.#records)
  }
}
