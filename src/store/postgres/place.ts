import { type Place, placeOf, placeOfUrl } from '../place.ts'
import type { ResolvedOptions } from './options.ts'

/** Host and database, as far as the options tell, and where the schema comes from when they do not. */
export function placeOfOptions({ via, schema }: ResolvedOptions): string {
  return `${connection(via)}${schema === undefined ? ', in the schema of its search path' : ''}`
}

function connection(via: ResolvedOptions['via']): string {
  if ('connectionString' in via) return placeOfUrl(via.connectionString)
  if ('pglite' in via) {
    const { dataDir } = via.pglite as { readonly dataDir?: unknown }
    return typeof dataDir === 'string' && dataDir !== '' ? `PGlite ${dataDir}` : 'PGlite in memory'
  }
  const { options } = via.pool as { readonly options?: Place & { readonly connectionString?: unknown } }
  if (typeof options?.connectionString === 'string') return placeOfUrl(options.connectionString)
  return placeOf(options ?? {})
}
