import type { Store } from '../store/store.ts'

/** Where a store's tables are, on one line: `postgres outbox.outbox_events at 127.0.0.1:5432/shop`. Never a password. */
export function placeLine({ description, place }: Pick<Store, 'description' | 'place'>): string {
  return place === undefined ? description : `${description} at ${place}`
}
