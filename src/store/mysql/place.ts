import { type Place, placeOf, placeOfUrl } from '../place.ts'
import type { ResolvedOptions } from './options.ts'

/** Host and database, as far as the options tell. */
export function placeOfOptions({ via, database }: ResolvedOptions): string {
  if ('url' in via) return placeOfUrl(via.url)
  const { pool } = via.pool as { readonly pool?: { readonly config?: { readonly connectionConfig?: Place } } }
  const config = pool?.config?.connectionConfig ?? {}
  return placeOf({ host: config.host, port: config.port, database: database ?? config.database })
}
