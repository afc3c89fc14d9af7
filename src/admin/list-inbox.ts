import { integer } from '../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../foundation/option-table.ts'
import type { InboxPlace, InboxStore, ListedInboxEntry } from '../store/inbox-store.ts'

export const LIST_INBOX = {
  /** At most so many, 1 to 1,000. Default 50. */
  limit: integer(50, { min: 1, max: 1_000 }),
}

/** Which entries of the inbox are listed. */
export interface ListInboxOptions extends OptionsOf<typeof LIST_INBOX> {
  /** Only those behind this place: `next` of the page before. Default: from the newest. */
  readonly after?: InboxPlace | undefined
}

/** A page of what consumers handled, the newest first. */
export interface InboxPage {
  /** Ids and sources longer than 255 characters are there as the hash that is stored. */
  readonly entries: readonly ListedInboxEntry[]
  /** Where the next page begins (`after`); null = there are no more. */
  readonly next: InboxPlace | null
}

/** Reads one entry more than a page has. */
export async function inboxPage(
  store: Pick<InboxStore, 'list'>,
  { after = undefined, ...options }: ListInboxOptions,
): Promise<InboxPage> {
  const { limit } = readOptions('inbox()', LIST_INBOX, options)
  const found = await store.list({ after: after ?? null, limit: limit + 1 })
  const entries = found.slice(0, limit)
  const last = found.length > limit ? entries.at(-1) : undefined
  return { entries, next: last ?? null }
}
