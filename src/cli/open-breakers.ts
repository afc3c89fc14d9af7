import type { OpenBreaker } from '../admin/status.ts'
import { formatDuration } from '../foundation/for-people.ts'

/** `hooks`, or `https://partner.example behind hooks`. */
export function placeOf({ backend, destination }: Pick<OpenBreaker, 'backend' | 'destination'>): string {
  return destination === '' ? backend : `${destination} behind ${backend}`
}

/** For how long it has been open; nothing where that is not known. */
export function openFor({ since }: Pick<OpenBreaker, 'since'>): string {
  return since === null ? '' : formatDuration(since)
}
