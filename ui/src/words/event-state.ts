import type { EventRow } from '../api/types.ts'
import type { StateName } from '../parts/state.tsx'

/** How an event is, for people: one that waits behind its key is blocked, one that is due later is scheduled. Pure. */
export function eventState(
  { status, blocked, dueAt }: Pick<EventRow, 'status' | 'blocked' | 'dueAt'>,
  now: number,
): StateName {
  if (blocked && status !== 'failed') return 'blocked'
  if (status === 'pending' && Date.parse(dueAt) > now) return 'scheduled'
  return status
}

/** The last 8 digits: a UUID v7 shares its head with its neighbours. */
export const shortId = (id: string): string => (id.length > 12 ? `…${id.slice(-8)}` : id)

/** The key as it may be shown; its hash stands for one that is not. Empty = it has none. */
export const keyText = ({ key, keyHash }: { readonly key: string | null; readonly keyHash: string | null }): string =>
  key ?? (keyHash === null ? '' : `#${keyHash.slice(0, 8)}`)

/** The filter that finds the events of a key: by its hash, which may stand in an address. */
export const keyFilter = (keyHash: string): string => `key:#${keyHash}`
