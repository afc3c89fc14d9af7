import { DoesNotExistError } from '../errors.ts'
import { describeError } from '../foundation/describe-error.ts'
import { integer, text } from '../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../foundation/option-table.ts'
import type { AuditOutcome, AuditStore, NewAuditEntry, StoredAuditEntry } from '../store/audit-store.ts'
import { type ActedBy, actorOf, reasonOf } from './actor.ts'

/** What an action was about. */
export interface AuditTarget {
  /** Events by their ids, the first hundred. */
  readonly ids?: readonly string[]
  /** How many ids more there were. */
  readonly idsMore?: number
  /** A filter, as JSON; a text when it was cut for its length. */
  readonly filter?: unknown
  /** Every event. */
  readonly all?: true
  /** The name of a backend. */
  readonly backend?: string
  /** The place behind the backend. */
  readonly destination?: string
  /** The name of a consumer. */
  readonly consumer?: string
  /** The entry of the audit that was undone. */
  readonly entry?: number
  /** The due time that was given, the backend of a replay, the ages of a purge, or what a correction changed. */
  readonly to?: unknown
}

/** How many were changed, and how many not. */
export interface AuditCounts {
  /** Changed, paused, closed or deleted. */
  readonly moved: number
  /** Sent before the move could be made. */
  readonly tooLate?: number
  /** In hand at a worker that did not answer. */
  readonly unknown?: number
  /** Their status forbade it. */
  readonly leftAlone?: number
}

/** What a person did. */
export interface AuditEntry {
  /** Goes up with each. */
  readonly id: number
  /** When it began. */
  readonly at: Date
  /** Who did it. */
  readonly who: string
  /** What, such as `requeue`, `pause` or `purge`. */
  readonly what: string
  /** To what. */
  readonly target: AuditTarget
  /** Why; empty = not said. */
  readonly reason: string
  /** The number of the operation that does it; null = it is done at once. */
  readonly operation: number | null
  /** `running`: not ended yet, or its process ended in the middle of it and the outcome is unknown. */
  readonly outcome: AuditOutcome
  /** How many were changed, and how many not. */
  readonly counts: AuditCounts
  /** When it ended; null = it has not, as far as is known. */
  readonly endedAt: Date | null
  /** What went wrong; null = nothing did. */
  readonly error: string | null
}

export const LIST_AUDIT = {
  /** Only what this person did. Default: everyone. */
  who: text(undefined),
  /** Only this, such as `requeue`. Default: everything. */
  what: text(undefined),
  /** Only what this operation did, by its number. Default: any. */
  operation: integer(undefined, { min: 1, max: Number.MAX_SAFE_INTEGER }),
  /** Only what names this event by its id, of the newest 10,000 entries. Default: any. */
  event: text(undefined),
  /** Goes on after the entry of this number, to older ones. Default: from the newest. */
  after: integer(undefined, { min: 1, max: Number.MAX_SAFE_INTEGER }),
  /** At most this many, 1 to 1,000. Default 50. */
  limit: integer(50, { min: 1, max: 1_000 }),
}
/** Which entries of the audit to list. */
export type ListAuditOptions = OptionsOf<typeof LIST_AUDIT>

const IDS_KEPT = 100
const LONGEST_FILTER = 10_000

/** What is about to be done. */
export interface Action extends ActedBy {
  readonly what: string
  readonly target: AuditTarget
}

/** Writes each action down before it is done, and how it ended after it. */
export class Audit {
  readonly #store: AuditStore

  constructor(store: AuditStore) {
    this.#store = store
  }

  /** Begins an entry. Throws `INVALID_OPTION` for a wrong `by` or `reason`. Resolves with its number. */
  begin(action: Action, operation: number | null = null): Promise<number> {
    return this.#store.begin({ ...beginOf(action), operation })
  }

  async end(id: number, outcome: AuditOutcome, counts: AuditCounts, error?: unknown): Promise<void> {
    const text = error === undefined ? null : describeError(error)
    await this.#store.end(id, { outcome, counts: JSON.stringify(counts), error: text })
  }

  /**
   * Does it between the two. `counts` is asked when it has ended, in whichever way. That the end cannot be written changes nothing
   * about what was done, and the entry then says that nobody knows.
   */
  async write<T>(
    action: Action,
    work: (entry: number) => Promise<T>,
    counts: (result: T | undefined) => AuditCounts,
    isStopped: () => boolean = () => false,
  ): Promise<T> {
    const id = await this.begin(action)
    try {
      const result = await work(id)
      await this.end(id, isStopped() ? 'stopped' : 'done', counts(result)).catch(() => undefined)
      return result
    } catch (error) {
      await this.end(id, 'failed', counts(undefined), error).catch(() => undefined)
      throw error
    }
  }

  /** The same for what is done elsewhere than in the outbox: it is done even when its database is down, or has no outbox. */
  async writeIfPossible<T>(
    action: Action,
    work: () => Promise<T>,
    counts: (result: T | undefined) => AuditCounts,
  ): Promise<T> {
    actorOf(action)
    reasonOf(action)
    const id = await this.begin(action).catch(() => undefined)
    const end = async (...how: readonly [AuditOutcome, AuditCounts, unknown?]): Promise<void> => {
      if (id !== undefined) await this.end(id, ...how).catch(() => undefined)
    }
    try {
      const result = await work()
      await end('done', counts(result))
      return result
    } catch (error) {
      await end('failed', counts(undefined), error)
      throw error
    }
  }

  /** One, by its number. Throws `DOES_NOT_EXIST`. */
  async get(id: number): Promise<AuditEntry> {
    const isNumber = Number.isSafeInteger(id) && id > 0
    const [found] = isNumber ? await this.#store.list({ before: id + 1, limit: 1 }) : []
    if (found?.id === id) return entryOf(found)
    throw new DoesNotExistError(`there is no entry ${id} in the audit`, { field: 'entry', value: id })
  }

  /** The events that an entry moved and that can be undone, by id. */
  moved(id: number, page: { readonly after: string | null; readonly limit: number }): Promise<readonly string[]> {
    return this.#store.moved(id, page)
  }

  async list(options: ListAuditOptions = {}): Promise<readonly AuditEntry[]> {
    const { who, what, operation, event, after, limit } = readOptions('audit()', LIST_AUDIT, options)
    const rows = await this.#store.list({ who, what, operation, naming: event, before: after ?? null, limit })
    return rows.map(entryOf)
  }
}

/** What is written down when it begins. Throws `INVALID_OPTION` for a wrong `by` or `reason`. */
export function beginOf({ what, target, ...acted }: Action): Omit<NewAuditEntry, 'operation'> {
  return { who: actorOf(acted), what, target: targetText(target), reason: reasonOf(acted) }
}

function entryOf({ target, counts, ...rest }: StoredAuditEntry): AuditEntry {
  return { ...rest, target: JSON.parse(target) as AuditTarget, counts: { moved: 0, ...JSON.parse(counts) } }
}

/** As JSON, bounded. */
function targetText({ ids, filter, ...rest }: AuditTarget): string {
  const text = filter === undefined ? undefined : JSON.stringify(filter)
  return JSON.stringify({
    ...rest,
    ...(ids && { ids: ids.slice(0, IDS_KEPT) }),
    ...(ids && ids.length > IDS_KEPT && { idsMore: ids.length - IDS_KEPT }),
    ...(text !== undefined && {
      filter: text.length > LONGEST_FILTER ? `${text.slice(0, LONGEST_FILTER)}...` : filter,
    }),
  })
}
