/** What a url says about a server and who logs in. */
export interface UrlParts {
  /** Without its colon: `redis`. */
  readonly scheme: string
  /** An IPv6 address without its brackets; empty where there is none. */
  readonly host: string
  readonly port: number | undefined
  /** With its slash, and percent-encoded as in the url. */
  readonly path: string
  /** With its question mark. */
  readonly query: string
  readonly username: string | undefined
  readonly password: string | undefined
}

/** Reads a url of one of these schemes; undefined = it is not one, or a percent sign in it escapes nothing. */
export function urlParts(text: unknown, schemes: readonly string[]): UrlParts | undefined {
  const url = typeof text === 'string' ? URL.parse(text) : null
  const scheme = url?.protocol.slice(0, -1) ?? ''
  if (!url || !schemes.includes(scheme)) return undefined
  try {
    decodeURIComponent(url.pathname)
    return {
      scheme,
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? undefined : Number(url.port),
      path: url.pathname,
      query: url.search,
      username: decodeURIComponent(url.username) || undefined,
      password: decodeURIComponent(url.password) || undefined,
    }
  } catch {
    return undefined
  }
}
