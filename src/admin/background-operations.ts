import { BroadcasterError, DoesNotExistError } from '../errors.ts'
import { showValue } from '../foundation/problem.ts'
import type { RecordFilter } from '../record/record-source.ts'
import type { AdminStore, Condition } from '../store/admin-store.ts'
import type { OperationState, OperationStore, StoredOperation } from '../store/operation-store.ts'
import type { ActedBy } from './actor.ts'
import { actorOf, reasonOf } from './actor.ts'
import { type Audit, beginOf } from './audit-log.ts'
import { conditionsIn } from './compiled-filter.ts'
import { MOVABLE } from './movable.ts'
import { conditionsOfFilter } from './move-events.ts'
import { requireStorableDate } from './moves.ts'
import { requireBackend } from './require-backend.ts'

/** What can be done to all events that match, in the background. */
export const OPERATION_KINDS = ['requeue', 'replay', 'skip', 'cancel', 'reschedule', 'delete'] as const
/** One of them. */
export type OperationKind = (typeof OPERATION_KINDS)[number]

/** What to do in the background, and to which events. */
export interface StartOperation extends ActedBy {
  /** What is done to each event. */
  readonly do: OperationKind
  /** Which events: those that match and exist now. Of those only the ones whose status allows it. */
  readonly filter: RecordFilter | { readonly all: true }
  /** The filter as a person wrote it, for display. Default: the filter as JSON. */
  readonly text?: string | undefined
  /** The new due time; only of `reschedule`, which needs it. Default: none. */
  readonly at?: Date | undefined
  /** The backend that gets what is replayed, by its name; only of `replay`. Default: the one that each event was for. */
  readonly to?: string | undefined
  /** Events a second at most, more than 0. Default: as fast as it goes. */
  readonly rate?: number | undefined
}

/** How far an operation has come. */
export interface Operation {
  /** Its number. */
  readonly id: number
  /** What is done to each event. */
  readonly do: OperationKind
  /** The backend that gets what is replayed; null = the one that each event was for. */
  readonly to: string | null
  /** The filter, for people. */
  readonly text: string
  /** `running`: a worker goes on with it. `done`, `cancelled` and `failed` are ends. */
  readonly state: OperationState
  /** Who began it. */
  readonly by: string
  /** Why; empty = not said. */
  readonly reason: string
  /** Events a second at most; null = as fast as it goes. */
  readonly rate: number | null
  /** The number of its entry in the audit, by which it can be undone; null = it has none. */
  readonly audit: number | null
  /** How many matched when it began; null = more than 100,000. */
  readonly matched: number | null
  /** How many were changed so far: exact, whatever process died meanwhile. */
  readonly moved: number
  /** How many matched and could not be changed: they were sent meanwhile, or are in hand at a worker that is silent. */
  readonly leftAlone: number
  /** When it began. */
  readonly beganAt: Date
  /** When it ended; null = it has not. */
  readonly endedAt: Date | null
  /** Why it failed; null = it has not. */
  readonly error: string | null
}

/** Events counted before it begins. */
const COUNTED = 100_000
const UNENDED = ['running', 'paused'] as const

/** What is done to all events that match, in the background, by any worker of the outbox. */
export class Operations {
  readonly #store: OperationStore
  readonly #admin: Pick<AdminStore, 'count'>
  readonly #audit: Audit
  readonly #names: () => readonly string[]

  /** `names`: the backends that are configured. */
  constructor(store: OperationStore, admin: Pick<AdminStore, 'count'>, audit: Audit, names: () => readonly string[]) {
    this.#names = names
    this.#store = store
    this.#admin = admin
    this.#audit = audit
  }

  /**
   * Begins one, and returns at once: a worker takes it within some seconds, and another goes on where that one dies. Only events
   * that exist now are touched. Throws `INVALID_OPTION`.
   */
  async start(options: StartOperation): Promise<Operation> {
    const { do: kind, filter, at, rate, to } = options
    requireKind(kind)
    if (rate !== undefined && !(Number.isFinite(rate) && rate > 0)) {
      throw refused('rate', rate, 'give a number of events a second, more than 0')
    }
    if (kind === 'reschedule') requireStorableDate(at as Date)
    else if (at !== undefined) throw refused('at', at, 'give it with reschedule only')
    if (to !== undefined && kind !== 'replay') throw refused('to', to, 'give it with replay only')
    if (to !== undefined) requireBackend(to, this.#names(), 'to')
    const conditions = [...(conditionsIn(filter) ?? conditionsOfFilter(filter)), ...statusesOf(kind)]
    const counted = await this.#admin.count(conditions, COUNTED + 1)
    const who = actorOf(options)
    const reason = reasonOf(options)
    const { text = JSON.stringify(filter) } = options
    const target = { filter: options.text ?? filter, ...((at ?? to) && { to: at ?? to }) }
    const operation = {
      ...{ kind, who, reason, filter: text, rate: rate ?? null },
      conditions: writeConditions(conditions),
      params: JSON.stringify({ at: at?.toISOString(), to }),
      matched: counted > COUNTED ? null : counted,
    }
    return this.get(await this.#store.add(operation, beginOf({ what: kind, target, by: who, reason })))
  }

  /** The newest first. `after`: goes on to those before this number. `limit`: at most this many, default 50. */
  async list({
    after,
    limit = 50,
  }: {
    readonly after?: number
    readonly limit?: number
  } = {}): Promise<readonly Operation[]> {
    return (await this.#store.list({ before: after ?? null, limit })).map(operationOf)
  }

  /** One, by its number. Throws `DOES_NOT_EXIST` when there is none. */
  async get(id: number): Promise<Operation> {
    return operationOf(await this.#the(id))
  }

  /** One, by its number; undefined = there is none. */
  async find(id: number): Promise<Operation | undefined> {
    const [found] = await this.#store.list({ id, before: null, limit: 1 })
    return found && operationOf(found)
  }

  /** Stops after the step that is being made, until `resume`. False: it was not running. */
  pause(id: number, acted: ActedBy = {}): Promise<boolean> {
    return this.#change('pause-operation', id, ['running'], 'paused', acted)
  }
  /** Goes on. False: it was not paused. */
  resume(id: number, acted: ActedBy = {}): Promise<boolean> {
    return this.#change('resume-operation', id, ['paused'], 'running', acted)
  }
  /** Ends it after the step that is being made; what was moved stays moved. False: it had ended. */
  cancel(id: number, acted: ActedBy = {}): Promise<boolean> {
    return this.#change('cancel-operation', id, UNENDED, 'cancelled', acted)
  }

  async #change(
    what: string,
    id: number,
    from: readonly OperationState[],
    to: OperationState,
    acted: ActedBy,
  ): Promise<boolean> {
    await this.#the(id)
    const entry = await this.#audit.begin({ what, target: {}, ...acted }, id)
    const changed = await this.#store.change(id, from, to)
    await this.#audit.end(entry, 'done', { moved: changed ? 1 : 0 })
    return changed
  }

  async #the(id: number): Promise<StoredOperation> {
    const [found] = Number.isSafeInteger(id) ? await this.#store.list({ id, before: null, limit: 1 }) : []
    if (found !== undefined) return found
    throw new DoesNotExistError(`there is no operation ${id}`, { field: 'id', value: id })
  }
}

function requireKind(kind: OperationKind): void {
  if (!OPERATION_KINDS.includes(kind)) throw refused('do', kind, `give one of ${OPERATION_KINDS.join(', ')}`)
}

/** A move says itself which events it changes: those of other statuses are not read. */
function statusesOf(kind: OperationKind): readonly Condition[] {
  if (kind === 'delete') return []
  const values = kind === 'reschedule' ? (['pending', 'retry', 'processing'] as const) : MOVABLE[kind]
  return [{ column: 'status', op: 'in', values }]
}

function refused(field: string, value: unknown, cure: string): BroadcasterError {
  return new BroadcasterError('INVALID_OPTION', `${field} is ${showValue(value)}; ${cure}`, { field, value })
}

function operationOf(stored: StoredOperation): Operation {
  const {
    id,
    kind,
    params,
    filter: text,
    state,
    who: by,
    reason,
    rate,
    matched,
    moved,
    leftAlone,
    beganAt,
    endedAt,
    error,
    audit,
  } = stored
  return {
    id,
    do: kind as OperationKind,
    to: backendOf(params),
    text,
    state,
    by,
    reason,
    rate,
    matched,
    moved,
    leftAlone,
    beganAt,
    endedAt,
    error,
    audit,
  }
}

/** The backend in the parameters of an operation. */
export function backendOf(params: string): string | null {
  const { to } = JSON.parse(params) as { readonly to?: unknown }
  return typeof to === 'string' ? to : null
}

/** As JSON; a date is `{ "$date": "..." }`. */
function writeConditions(conditions: readonly Condition[]): string {
  return JSON.stringify(conditions, function (this: Record<string, unknown>, key, value: unknown) {
    const given = this[key]
    return given instanceof Date ? { $date: given.toISOString() } : value
  })
}

/** Reads them again. */
export function readConditions(text: string): readonly Condition[] {
  return JSON.parse(text, (_key, value: unknown) => {
    const isDate = typeof value === 'object' && value !== null && '$date' in value
    return isDate ? new Date(String(value.$date)) : value
  }) as readonly Condition[]
}
