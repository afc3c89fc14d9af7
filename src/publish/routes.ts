import { BroadcasterError } from '../errors.ts'
import { compileTypePattern } from '../event/type-pattern.ts'
import { unknownKeys } from '../options.ts'
import { type Problem, showValue, throwProblems } from '../problem.ts'
import { suggestion } from '../suggestion.ts'

/** Where events of some types go. */
export interface Route {
  /** A type, a pattern such as `order.*`, or several of them. See `compileTypePattern`. */
  readonly type: string | readonly string[]
  /** One backend or several, by name. */
  readonly to: string | readonly string[]
}

const MEMBERS = ['type', 'to'] as const

/** Answers which backends an event type goes to; undefined = no route takes it. */
export type Router = (type: string) => readonly string[] | undefined

/**
 * A router of these routes: the first route that takes a type decides, so put the narrow ones first. Throws
 * `UNKNOWN_BACKEND` for a name that is not configured, `INVALID_OPTION` for a route without a type or a backend.
 */
export function router(routes: readonly Route[], backends: Iterable<string>): Router {
  const known = new Set(backends)
  if (!Array.isArray(routes)) {
    const message = `routes is ${showValue(routes)}; give a list, such as [{ type: 'order.*', to: 'default' }]`
    throw new BroadcasterError('INVALID_OPTION', message, { field: 'routes', value: routes })
  }
  const compiled = routes.map((route: Route, index) => {
    checkRoute(route, `routes[${index}]`)
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

/** Throws `INVALID_OPTION` unless it has a type and a backend, and nothing else. */
function checkRoute(route: unknown, field: string): void {
  const problems: Problem[] = []
  if (typeof route !== 'object' || route === null) {
    const message = `is ${showValue(route)}; give { type, to }`
    problems.push({ code: 'INVALID_OPTION', field, value: route, message })
  } else {
    problems.push(...unknownKeys(field, route, MEMBERS))
    for (const name of MEMBERS) {
      const value: unknown = Object.getOwnPropertyDescriptor(route, name)?.value
      if (isNames(value)) continue
      const message = `is ${showValue(value)}; give a text, or a list of them`
      problems.push({ code: 'INVALID_OPTION', field: `${field}.${name}`, value, message })
    }
  }
  throwProblems('the Broadcaster', problems)
}

function isNames(value: unknown): boolean {
  return typeof value === 'string' || (Array.isArray(value) && value.every((each) => typeof each === 'string'))
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
