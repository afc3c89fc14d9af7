import { ACTION_ROUTES } from './action-routes.ts'
import type { OpenApiDocument } from './api-types.ts'
import { AUDIT_ROUTES } from './audit-routes.ts'
import { BACKEND_ROUTES } from './backend-routes.ts'
import type { ApiRoute } from './call.ts'
import { CORRECT_ROUTE } from './correct-route.ts'
import { EVENT_ROUTES } from './events-routes.ts'
import { FAILURE_ROUTES } from './failures-routes.ts'
import { HISTORY_ROUTES } from './history-routes.ts'
import { INBOX_ROUTES } from './inbox-routes.ts'
import { KEYS_ROUTES } from './keys-routes.ts'
import { openApiDocument } from './openapi.ts'
import { OPERATION_ROUTES } from './operations-routes.ts'
import { OUTBOX_ROUTES } from './outbox-routes.ts'
import { SESSION_ROUTES } from './session-routes.ts'
import { STORAGE_ROUTES } from './storage-routes.ts'

/** Each call there is. */
export const ROUTES: readonly ApiRoute[] = [
  ...SESSION_ROUTES,
  ...OUTBOX_ROUTES,
  ...KEYS_ROUTES,
  ...STORAGE_ROUTES,
  ...EVENT_ROUTES,
  CORRECT_ROUTE,
  ...FAILURE_ROUTES,
  ...ACTION_ROUTES,
  ...BACKEND_ROUTES,
  ...AUDIT_ROUTES,
  ...OPERATION_ROUTES,
  ...HISTORY_ROUTES,
  ...INBOX_ROUTES,
  {
    method: 'GET',
    path: 'openapi.json',
    action: 'read',
    summary: 'This API as an OpenAPI 3.1 document.',
    answer: 'OpenApiDocument',
    run: ({ desk }): OpenApiDocument => openApiDocument(ROUTES, desk.version),
  },
]

/** A route, and the values of its names. */
export interface FoundRoute {
  readonly route: ApiRoute
  readonly params: Readonly<Record<string, string>>
}

/** The routes that these parts of a path mean, of any method; words come before names. Pure. */
export function routesAt(parts: readonly string[]): readonly FoundRoute[] {
  const found = ROUTES.flatMap((route) => {
    const params = paramsOf(route.path.split('/'), parts)
    return params === undefined ? [] : [{ route, params }]
  })
  const fewest = Math.min(...found.map(({ params }) => Object.keys(params).length))
  return found.filter(({ params }) => Object.keys(params).length === fewest)
}

function paramsOf(pattern: readonly string[], parts: readonly string[]): Readonly<Record<string, string>> | undefined {
  if (pattern.length !== parts.length) return undefined
  const params: Record<string, string> = {}
  for (const [n, step] of pattern.entries()) {
    const part = parts[n] ?? ''
    if (!step.startsWith('{')) {
      if (step !== part) return undefined
    } else if (part === '') return undefined
    else params[step.slice(1, -1)] = part
  }
  return params
}
