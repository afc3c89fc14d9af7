import { BroadcasterError } from '../errors.ts'
import { compileTypePattern } from '../event/type-pattern.ts'
import { listOf, nested, required, texts } from '../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../foundation/option-table.ts'
import { suggestion } from '../foundation/suggestion.ts'

/** Where events of some types go. */
export const ROUTE = {
  /** A type, a pattern such as `order.*`, or several of them. See `compileTypePattern`. */
  type: required(texts('a text', undefined, () => true)),
  /** One backend or several, by name. */
  to: required(texts('a text', undefined, () => true)),
}
/** Where events of some types go. */
export type Route = OptionsOf<typeof ROUTE>

const ROUTES = { routes: listOf(nested(ROUTE)) }

/** The backends that an event type goes to; undefined = no route matches. */
export type Router = (type: string) => readonly string[] | undefined

/**
 * A router of these routes: the first that matches a type decides, so put narrow ones first. Throws `UNKNOWN_BACKEND`
 * for a name that is not configured, `INVALID_OPTION` for a route without a type or a backend.
 */
export function router(routes: readonly Route[], backends: Iterable<string>): Router {
  const known = new Set(backends)
  const compiled = readOptions('the Broadcaster', ROUTES, { routes }).routes.map((route, index) => {
    const to = [...new Set(route.to)]
    for (const backend of to) if (!known.has(backend)) throw unknownBackend(backend, known, `routes[${index}].to`)
    return { takes: route.type.map(compileTypePattern), to }
  })
  return (type) => compiled.find((route) => route.takes.some((takes) => takes(type)))?.to
}

/** The error for a backend name that is not configured, with the most similar one that is. */
export function unknownBackend(name: string, known: Iterable<string>, field: string): BroadcasterError {
  return new BroadcasterError('UNKNOWN_BACKEND', `${field} ${unknownBackendMessage(name, known)}`, {
    field,
    value: name,
  })
}

/** What is wrong with a backend name, continuing the field's name. */
export function unknownBackendMessage(name: string, known: Iterable<string>): string {
  const names = [...known]
  return `names the backend "${name}", which is not configured${suggestion(name, names)}; configured: ${names.join(', ')}`
}
