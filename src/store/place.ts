/** What may be shown of a connection: never the user, the password or an option. */
export interface Place {
  readonly host?: unknown
  readonly port?: unknown
  readonly database?: unknown
}

/** `127.0.0.1:5432/shop`; missing parts come from the client's own defaults and environment. */
export function placeOf({ host, port, database }: Place): string {
  const where = host === undefined || host === '' ? 'the host of the environment' : String(host)
  return `${where}${port === undefined || port === '' ? '' : `:${port}`}/${database === undefined || database === '' ? '(the default database)' : database}`
}

const UNNAMED = 'the address in its connection string'

/**
 * The place that a connection URL names. A string that is not a URL may hold a password anywhere: nothing of it is
 * shown.
 */
export function placeOfUrl(url: string): string {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    return UNNAMED
  }
  // A password with an unescaped slash or question mark: what was parsed as host and path is part of it.
  if (`${parsed.pathname}${parsed.search}${parsed.hash}`.includes('@')) return UNNAMED
  return placeOf({
    host: parsed.hostname || (parsed.searchParams.get('host') ?? undefined),
    port: parsed.port,
    database: decoded(parsed.pathname.slice(1)),
  })
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
