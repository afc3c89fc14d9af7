import { BroadcasterError } from '../errors.ts'
import { compileTypePattern } from '../event/type-pattern.ts'
import { suggestion } from '../suggestion.ts'

/** Where events of some types go. */
export interface Route {
  /** A type, a pattern such as `order.*`, or several of them. See `compileTypePattern`. */
  readonly type: string | readonly string[]
  /** One backend or several, by name. */
  readonly to: string | readonly string[]
}

/** Answers which backends an event type goes to; undefined = no route takes it. */
export type Router = (type: string) => readonly string[] | undefined

/**
 * A router of these routes: the first route that takes a type decides, so put the narrow ones first. Throws
 * `UNKNOWN_BACKEND` for a name that is not configured, `INVALID_OPTION` for a route without a type or a backend.
 */
export function router(routes: readonly Route[], backends: Iterable<string>): Router {
  const known = new Set(backends)
  const compiled = routes.map((route, index) => {
    const types = toList(route.type)
    const to = [...new Set(toList(route.to))]
    for (const [name, list] of Object.entries({ type: types, to })) {
      if (list.length > 0) continue
      const field = `routes[${index}].${name}`
      throw new BroadcasterError('INVALID_OPTION', `${field} is empty; name at least one`, { field, value: list })
    }
    for (const backend of to) if (!known.has(backend)) throw unknownBackend(backend, known, `routes[${index}].to`)
    return { takes: types.map(compileTypePattern), to }
  })
  return (type) => compiled.find((route) => route.takes.some((takes) => takes(type)))?.to
}

/** The error for a backend name that is not configured, with the nearest that is. */
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

function toList(value: string | readonly string[]): readonly string[] {
  return typeof value === 'string' ? [value] : value
}
