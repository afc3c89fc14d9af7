import { signal } from '@preact/signals'

/** Where the pages begin: `/ops/outbox/`. The server writes it into the page's `<base>`. */
export const base = new URL('.', document.baseURI)

/** The address below the base path: `/events/<id>?q=...` has the screen `events`, the rest `[id]` and the query. */
export interface Place {
  readonly screen: string
  readonly rest: readonly string[]
  readonly query: URLSearchParams
  /** The name behind `#`. */
  readonly hash: string
}

/** Pure. */
export function placeOf(address: URL, from: URL): Place {
  const below = address.pathname.startsWith(from.pathname) ? address.pathname.slice(from.pathname.length) : ''
  const [screen = '', ...rest] = below.split('/').filter((part) => part !== '')
  return { screen, rest: rest.map(decoded), query: address.searchParams, hash: decoded(address.hash.slice(1)) }
}

/** An address typed by hand may hold what is no encoding. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

export const place = signal<Place>(placeOf(new URL(location.href), base))

const arrived = (): void => {
  place.value = placeOf(new URL(location.href), base)
}

/** Goes to an address relative to the base path: `events?q=status:failed`. */
export function go(to: string, { replace = false } = {}): void {
  const address = new URL(to, base)
  if (replace) history.replaceState(null, '', address)
  else history.pushState(null, '', address)
  arrived()
  if (!replace) toTheTop()
}

/** The same screen with another query; what is `undefined` or empty is left out. */
export function addressWith(changes: Readonly<Record<string, string | undefined>>, of: Place = place.peek()): string {
  const query = new URLSearchParams(of.query)
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === '') query.delete(name)
    else query.set(name, value)
  }
  return address([of.screen, ...of.rest], query)
}

/** An address relative to the base path. Colons, commas and stars stay readable. */
export function address(
  parts: readonly string[],
  query: URLSearchParams | Readonly<Record<string, string>> = {},
): string {
  const path = parts.map(encodeURIComponent).join('/')
  const asked = new URLSearchParams(query).toString().replace(/%3A/g, ':').replace(/%2C/g, ',')
  return `${path === '' ? './' : path}${asked === '' ? '' : `?${asked}`}`
}

/** Links within the pages change the screen without loading anything. */
export function followLinks(): void {
  addEventListener('popstate', arrived)
  document.addEventListener('click', (event) => {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.ctrlKey ||
      event.metaKey ||
      event.shiftKey ||
      event.altKey
    )
      return
    const link = event.target instanceof Element ? event.target.closest('a') : null
    if (link === null || link.target !== '' || link.hasAttribute('download')) return
    if (link.origin !== base.origin || !link.pathname.startsWith(base.pathname)) return
    event.preventDefault()
    history.pushState(null, '', link.href)
    arrived()
    toTheTop()
  })
}

function toTheTop(): void {
  const named = place.peek().hash === '' ? null : document.getElementById(place.peek().hash)
  if (named !== null) {
    named.scrollIntoView()
    return
  }
  scrollTo(0, 0)
  document.getElementById('main')?.focus({ preventScroll: true })
}
