import type { Store } from '../store/store.ts'
import type { ActedBy } from './actor.ts'

/** What is deleted by `purge`: older than this, in milliseconds; null = none. */
export interface PurgeOptions extends ActedBy {
  /** Published events, in milliseconds; null = none. */
  readonly published: number | null
  /** Failed and cancelled events, in milliseconds; null = none. */
  readonly failed: number | null
  /** Inbox entries, in milliseconds since they were handled; an event that comes again after that is handled again. Default: null. */
  readonly inbox?: number | null | undefined
  /** Entries of the audit, in milliseconds since they were begun. Default: null. */
  readonly audit?: number | null | undefined
  /** Ends the work after the statement that is running. Default: none. */
  readonly signal?: AbortSignal | undefined
}

/** Rows deleted in one statement, so that no clean-up holds locks or the event loop for long. */
const limit = 1_000

/** Deletes what is old, a bounded number at a time; `onDeleted` is called for each. */
export async function purge(
  store: Pick<Store, 'retention' | 'inbox' | 'audit'>,
  { published, failed, inbox = null, audit = null, signal }: PurgeOptions,
  onDeleted: (count: number) => void,
): Promise<void> {
  const untilNone = async (deleteSome: () => Promise<number>): Promise<void> => {
    for (let count = 1; count > 0 && signal?.aborted !== true; onDeleted(count)) count = await deleteSome()
  }
  await untilNone(() => store.retention.purge({ publishedFor: published, failedFor: failed, limit }))
  if (inbox !== null) await untilNone(() => store.inbox.prune({ age: inbox, limit }))
  if (audit !== null) await untilNone(() => store.audit.prune({ age: audit, limit }))
}
