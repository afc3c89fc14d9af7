import { waitFor } from '../foundation/waiting.ts'
import { type AdminAction, hasRole } from './admin-user.ts'
import { jsonAnswer } from './answers.ts'
import { readBody } from './api-body.ts'
import { ApiError } from './api-problem.ts'
import { type FoundRoute, routesAt } from './api-routes.ts'
import type { Visitor } from './authentication.ts'
import type { ApiRoute, Call, Desk, ServedOutbox } from './call.ts'
import { type MinuteLimit, rateLimit } from './rate-limit.ts'
import { isSame } from './signed.ts'

/** Calls that are answered at one time; more are refused, since each holds a connection of the database. */
const AT_ONCE = 32
/** Moves wait for workers, so they may take longer than a look, in milliseconds. */
const MOVE_TIME = 15_000

/** Everything below `api/`: who calls, whether they may, what they say, and the answer. */
export class ApiCalls {
  readonly #desk: Desk
  readonly #actions: MinuteLimit
  #running = 0

  constructor(desk: Desk) {
    this.#desk = desk
    this.#actions = rateLimit(desk.settings.actionsPerMinute, 10 * desk.settings.actionsPerMinute)
  }

  async answer(request: Request, parts: readonly string[]): Promise<Response> {
    const { authentication } = this.#desk
    const visitor = await authentication.visitor(request)
    if (visitor instanceof Response) return visitor
    const found = this.#routeOf(request, parts, visitor)
    const { route, params } = found
    if (route.action !== null && visitor === null) throw this.unauthenticated()
    if (route.method === 'POST') this.#checkOrigin(request, route, visitor)
    const { query, outbox } = this.#queryOf(request, route)
    const may = (action: AdminAction): Promise<boolean> => this.#may(visitor, action, outbox.name)
    if (route.action !== null && !(await may(route.action))) throw forbidden(route.action, visitor)
    if (route.feature !== undefined && !this.#desk.features[route.feature]) {
      throw new ApiError('NOT_THERE', `This version cannot do it yet (${route.feature}).`)
    }
    if (route.method === 'POST' && route.action !== null && route.action !== 'read' && visitor) this.#count(visitor)
    const body = route.body === undefined ? {} : await readBody(request, route.body.members)
    return this.#run(route, { request, desk: this.#desk, visitor, outbox, params, query, body, may })
  }

  /** With the browser's own dialog, where passwords are used. */
  unauthenticated(): ApiError {
    const { login } = this.#desk.authentication
    const headers: Record<string, string> =
      login === 'basic' ? { 'www-authenticate': 'Basic realm="Broadcaster", charset="UTF-8"' } : {}
    if (login === 'token') headers['www-authenticate'] = 'Bearer realm="Broadcaster"'
    return new ApiError('UNAUTHENTICATED', 'You must log in first.', { headers })
  }

  /** Without a login no one learns whether a call exists. */
  #routeOf(request: Request, parts: readonly string[], visitor: Visitor | null): FoundRoute {
    const all = routesAt(parts)
    const method = request.method === 'HEAD' ? 'GET' : request.method
    const found = all.find(({ route }) => route.method === method)
    if (found !== undefined) return found
    if (visitor === null) throw this.unauthenticated()
    if (all.length === 0) throw new ApiError('NOT_FOUND', 'There is no such call.')
    const allow = all.map(({ route }) => route.method).join(', ')
    throw new ApiError('METHOD_NOT_ALLOWED', `This call takes ${allow}.`, { headers: { allow } })
  }

  /** A page of another site can make a browser send a cookie or a password, but not read `api/session` nor set this header. */
  #checkOrigin(request: Request, route: ApiRoute, visitor: Visitor | null): void {
    const site = request.headers.get('sec-fetch-site')
    if (site !== null && site !== 'same-origin' && site !== 'none') {
      throw new ApiError('CSRF', 'The request comes from a page of another site.')
    }
    if (route.action === null || visitor === null || !visitor.needsCsrf) return
    const given = request.headers.get('x-csrf') ?? ''
    if (isSame(given, this.#desk.authentication.csrfOf(visitor))) return
    throw new ApiError('CSRF', 'The header x-csrf is missing or old; read api/session again.')
  }

  #queryOf(request: Request, route: ApiRoute): { readonly query: Call['query']; readonly outbox: ServedOutbox } {
    const given: Record<string, string> = Object.create(null) as Record<string, string>
    for (const [name, value] of new URL(request.url).searchParams) {
      const wrong = (detail: string): ApiError => new ApiError('BAD_REQUEST', detail, { field: name.slice(0, 40) })
      if (name !== 'outbox' && !Object.hasOwn(route.query ?? {}, name)) {
        const known = ['outbox', ...Object.keys(route.query ?? {})].join(', ')
        throw wrong(`This call takes no such parameter; it takes ${known}.`)
      }
      if (name in given) throw wrong('A parameter is given twice; give it once.')
      given[name] = value
    }
    const [first] = this.#desk.outboxes.values()
    const { outbox: name, ...query } = given
    const outbox = name === undefined ? first : this.#desk.outboxes.get(name)
    if (outbox === undefined) throw new ApiError('NOT_FOUND', 'There is no outbox of this name.', { field: 'outbox' })
    return { query, outbox }
  }

  async #may(visitor: Visitor | null, action: AdminAction, outbox: string): Promise<boolean> {
    if (visitor === null || !hasRole(visitor.role, action)) return false
    const { allow } = this.#desk.settings
    if (allow === undefined) return true
    try {
      return (await allow({ user: visitor.user, role: visitor.role }, action, outbox)) === true
    } catch {
      return false
    }
  }

  #count({ user }: Visitor): void {
    const wait = this.#actions.take(user)
    if (wait > 0)
      throw new ApiError('TOO_MANY', 'Too many actions in a minute; give a filter in place of many calls.', {
        retryAfter: wait,
      })
  }

  async #run(route: ApiRoute, call: Call): Promise<Response> {
    if (this.#running >= AT_ONCE)
      throw new ApiError('TOO_MANY', 'Too many calls at one time; try again.', { retryAfter: 1_000 })
    this.#running++
    try {
      const { timeout } = this.#desk.settings
      const time = route.method === 'POST' ? Math.max(timeout, MOVE_TIME) : timeout
      const late = (): ApiError =>
        new ApiError('TIMEOUT', 'The outbox did not answer in time; what was begun may still happen.', {
          retryAfter: 1_000,
        })
      const told: unknown = await waitFor(Promise.resolve(route.run(call)), { timeout: time }, late)
      return told instanceof Response ? told : jsonAnswer(told)
    } finally {
      this.#running--
    }
  }
}

function forbidden(action: AdminAction, visitor: Visitor | null): ApiError {
  return new ApiError('FORBIDDEN', `As ${visitor?.role ?? 'nobody'} you have no right to ${action}.`)
}
