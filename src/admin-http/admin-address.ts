/** Where in the admin an address leads, whatever it is mounted at. */
export type AdminAddress =
  | { readonly kind: 'api'; readonly parts: readonly string[] }
  | { readonly kind: 'asset'; readonly name: string }
  /** `base` leads from the page to the base path: `./`, `../`, or `./outbox/` from `/ops/outbox`. */
  | { readonly kind: 'page'; readonly base: string }
  | { readonly kind: 'refused' }

/** Pages by their first word, and how many parts may follow. */
const PAGES: Readonly<Record<string, number>> = {
  events: 1,
  failures: 1,
  keys: 2,
  backends: 1,
  operations: 1,
  audit: 0,
  storage: 0,
  scheduled: 0,
  inbox: 0,
  consumers: 1,
  login: 0,
}
const DEEPEST = 2

/** Nothing that we serve is named so: tricks with paths end here, before anybody decodes them. */
const TRICK = /\/\/|\\|%(?:00|2e|2f|5c)|%[01][\da-f]|%7f/i

/**
 * Reads a path from its end, so that no base path need be known: what comes before a page, `api/` or `assets/` is the base.
 * `isCall` tells whether these parts behind `api/` are a call. Pure.
 */
export function readAddress(path: string, isCall: (parts: readonly string[]) => boolean): AdminAddress {
  if (TRICK.test(path)) return { kind: 'refused' }
  let parts: readonly string[]
  try {
    parts = path.split('/').slice(1).map(decodeURIComponent)
  } catch {
    return { kind: 'refused' }
  }
  const after = (word: string): readonly (readonly string[])[] =>
    parts.flatMap((part, n) => (part === word ? [parts.slice(n + 1)] : []))
  const behindApi = after('api')
  const call = behindApi.find(isCall)
  if (call !== undefined) return { kind: 'api', parts: call }
  const last = parts.at(-1) ?? ''
  if (parts.at(-2) === 'assets' && last !== '') return { kind: 'asset', name: last }
  if (last === '') return { kind: 'page', base: './' }
  for (let depth = DEEPEST; depth >= 0; depth--) {
    const word = parts.at(-1 - depth)
    if (word !== undefined && Object.hasOwn(PAGES, word) && (PAGES[word] ?? 0) >= depth) {
      return { kind: 'page', base: depth === 0 ? './' : '../'.repeat(depth) }
    }
  }
  // What was meant for the API gets an error of the API.
  if (behindApi.length > 0) return { kind: 'api', parts: behindApi.at(-1) ?? [] }
  // A name with a dot is a file that is not there.
  if (last.includes('.')) return { kind: 'refused' }
  // The base path without its slash. No redirect to the one with it: some frameworks (Next) redirect the other way.
  return { kind: 'page', base: `./${path.slice(path.lastIndexOf('/') + 1)}/` }
}
