import { mysql } from '../../src/store/mysql/mysql.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import type { StorePlace } from '../support/store-places.ts'

/** A store that opens its connections itself, and can be told from all others. */
export function ownStore(place: StorePlace): Store {
  if (place.kind === 'sqlite') return sqlite({ path: place.path }) as Store
  if (place.kind === 'mysql') return mysql({ url: place.url }) as Store
  const url = new URL(place.url)
  url.searchParams.set('application_name', place.schema)
  return postgres({ url: url.href, schema: place.schema }) as Store
}
