import { compileTypePattern } from '../event/type-pattern.ts'
import { byDefault, nested, number, or, text } from '../foundation/option-kinds.ts'
import { readOptions } from '../foundation/option-table.ts'
import { Archive, type ArchiveEvents } from '../retention/archive.ts'
import { CleanUp } from '../retention/clean-up.ts'
import { ARCHIVE, KEEP } from '../retention/retention-options.ts'
import { LONGEST_AGE, perStatus, ruleOf } from '../retention/rules.ts'
import type { Store } from '../store/store.ts'
import type { ActedBy } from './actor.ts'

/** What is deleted by `purge`: older than this, in milliseconds; null = none. */
export interface PurgeOptions extends ActedBy {
  /** Published events, in milliseconds; null = none. */
  readonly published: number | null
  /** Failed events, in milliseconds; null = none. */
  readonly failed: number | null
  /** Cancelled events, in milliseconds; null = none. Default: `failed`. */
  readonly cancelled?: number | null | undefined
  /** How many events of a status are kept: the oldest of more are deleted, whatever their age. Default: any number. */
  readonly keep?: Partial<Record<'published' | 'failed' | 'cancelled', number | null>> | undefined
  /** Only events of this type, or of those that match a pattern such as `audit.*`. Default: all. */
  readonly type?: string | undefined
  /**
   * Where events are kept before they are deleted: a folder or a function; false = nowhere. Default: as `retention.archive` of the
   * Broadcaster's option `worker` says.
   */
  readonly archive?: string | ArchiveEvents | false | undefined
  /** Inbox entries, in milliseconds since they were handled; an event that comes again after that is handled again. Default: null. */
  readonly inbox?: number | null | undefined
  /** Entries of the audit, in milliseconds since they were begun. Default: null. */
  readonly audit?: number | null | undefined
  /** Ends the work after the statement that is running. Default: none. */
  readonly signal?: AbortSignal | undefined
}

const age = or(number(undefined, { min: 0 }), null)

/** How they are checked: less than 0 would mean everything. */
const PURGE = {
  published: byDefault(null, age),
  failed: byDefault(null, age),
  cancelled: age,
  keep: nested(KEEP),
  type: text(undefined),
  archive: or(ARCHIVE, false),
  inbox: age,
  audit: age,
}

/** Throws `INVALID_OPTION`: all problems at once. */
export function checkPurge({ by, reason, signal, ...rest }: PurgeOptions): void {
  const given = Object.entries(rest).filter(([, value]) => value !== undefined)
  readOptions('purge()', PURGE, Object.fromEntries(given))
}

/** Rows deleted in one statement, so that no clean-up holds locks or the event loop for long. */
const limit = 1_000

/**
 * Deletes what is old, a bounded number at a time; `onDeleted` is called for each. Throws `INVALID_OPTION` for a type pattern
 * that is not valid.
 */
export async function purge(
  store: Pick<Store, 'retention' | 'admin' | 'inbox' | 'audit'>,
  options: PurgeOptions,
  onDeleted: (count: number) => void,
): Promise<void> {
  const { published, failed, cancelled = failed, keep = {}, type = '*', inbox = null, audit = null, signal } = options
  const { archive = false } = options
  const untilNone = async (deleteSome: () => Promise<number>): Promise<void> => {
    for (let count = 1; count > 0 && signal?.aborted !== true; onDeleted(count)) count = await deleteSome()
  }
  const ages = { published, failed, cancelled }
  const numbers = perStatus((status) => keep[status] ?? null)
  const rules = [ruleOf(compileTypePattern(type), ages, numbers)]
  const rest = async (): Promise<boolean> => signal?.aborted !== true
  const kept = archive === false ? undefined : new Archive(store.admin, archive)
  if (await rest()) await new CleanUp(store.retention, rules, kept).run({ onRemoved: onDeleted, rest, whole: true })
  if (inbox !== null) await untilNone(() => store.inbox.prune({ age: Math.min(inbox, LONGEST_AGE), limit }))
  if (audit !== null) await untilNone(() => store.audit.prune({ age: Math.min(audit, LONGEST_AGE), limit }))
}
