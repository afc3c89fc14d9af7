import type { Admin } from '../admin/admin.ts'
import { BroadcasterError } from '../errors.ts'
import { arrivalOf } from '../foundation/arrival.ts'
import { describeError } from '../foundation/describe-error.ts'
import { describeKind } from '../foundation/describe-kind.ts'
import { hasMethods } from '../foundation/option-kinds.ts'
import { requireRequest } from '../foundation/require-request.ts'
import { readAddress } from './admin-address.ts'
import { problemResponse } from './answers.ts'
import { ApiCalls } from './api-calls.ts'
import { ApiError, problemOf } from './api-problem.ts'
import { routesAt } from './api-routes.ts'
import { authentication, signingKey } from './authentication.ts'
import type { AdministeredOutbox, Desk, ServedOutbox } from './call.ts'
import { FilterMemory } from './filter-memory.ts'
import { FindingsFeed } from './findings-feed.ts'
import { operationRow } from './operation-row.ts'
import { type AdminHandlerOptions, readAdminOptions } from './options.ts'
import { packageVersion } from './package-folder.ts'
import { EventView } from './shown-event.ts'
import { signerOf } from './signed.ts'
import { StaticFiles } from './static-files.ts'
import { findingRows, statusAnswer } from './status-answer.ts'
import { StatusFeed } from './status-feed.ts'

/** The longest address and header that are looked at, in characters. */
const LONGEST_ADDRESS = 8_192
const LONGEST_HEADER = 8_192
/** Of this many of the newest operations a status names those that run. */
const RUNNING_SHOWN = 50

/**
 * The pages and the API for operators, as a function of a `Request`: mount it at any path; what it needs of that it finds in each
 * request. One Broadcaster, or several by name. Nothing starts unless `options` say who may come in: `token`, `basic`,
 * `authenticate`, or `unsafe: true` for this machine only. For `node:http` and Express wrap it with `toNodeListener`.
 * Throws `INVALID_OPTION`.
 *
 * @example
 * createServer(toNodeListener(adminHandler(broadcaster, { token: process.env['ADMIN_TOKEN'] }))).listen(8088, '127.0.0.1')
 */
export function adminHandler(
  outboxes: AdministeredOutbox | Readonly<Record<string, AdministeredOutbox>>,
  options: AdminHandlerOptions,
): (request: Request) => Promise<Response> {
  const named = outboxesOf(outboxes)
  const settings = readAdminOptions(options)
  const signer = signerOf(signingKey(settings))
  const view = new EventView(signer, settings)
  const served = new Map(named.map(([name, admin]) => [name, serve(name, admin, view, settings.timeout)]))
  const desk: Desk = {
    settings,
    signer,
    view,
    authentication: authentication(settings, signer),
    outboxes: served,
    filters: new FilterMemory(signer),
    version: packageVersion(),
    features: featuresOf(),
  }
  const files = new StaticFiles()
  const calls = new ApiCalls(desk)
  return async (request) => {
    requireRequest('what adminHandler() gives', request)
    try {
      const response = await answerTo(request, { desk, files, calls })
      return request.method === 'HEAD' ? new Response(null, response) : response
    } catch (error) {
      const problem = problemOf(error)
      if (problem.code === 'UNEXPECTED') log(request, error)
      return problemResponse(problem)
    }
  }
}

interface Parts {
  readonly desk: Desk
  readonly files: StaticFiles
  readonly calls: ApiCalls
}

async function answerTo(request: Request, { desk, files, calls }: Parts): Promise<Response> {
  checkSizes(request)
  const path = arrivalOf(request)?.originalPath ?? new URL(request.url).pathname
  const address = readAddress(path, (parts) => routesAt(parts).length > 0)
  if (address.kind === 'api') return calls.answer(request, address.parts)
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    throw new ApiError('METHOD_NOT_ALLOWED', 'Pages are only read.', { headers: { allow: 'GET, HEAD' } })
  }
  if (desk.authentication.login !== 'token') {
    // The pages hold no data, but a stranger need not see that they exist.
    const visitor = await desk.authentication.visitor(request)
    if (visitor instanceof Response) return visitor
    if (visitor === null) throw calls.unauthenticated()
  }
  if (address.kind === 'page') return files.page(request, address.base)
  const file = address.kind === 'asset' ? files.asset(request, address.name) : undefined
  if (file === undefined) throw new ApiError('NOT_FOUND', 'There is no such page and no such file.')
  return file
}

function checkSizes(request: Request): void {
  if (request.url.length > LONGEST_ADDRESS) {
    throw new ApiError('ADDRESS_TOO_LONG', `An address has at most ${LONGEST_ADDRESS} characters; post long filters.`)
  }
  for (const [, value] of request.headers) {
    if (value.length > LONGEST_HEADER)
      throw new ApiError('HEADER_TOO_LARGE', `A header has at most ${LONGEST_HEADER} characters.`)
  }
}

function serve(name: string, admin: Admin, view: EventView, timeout: number): ServedOutbox {
  const look = async () => {
    const status = await admin.status()
    // Before the schema is there, nothing runs.
    const running = status.schema.pending.length === 0 ? await admin.operations.list({ limit: RUNNING_SHOWN }) : []
    const now = status.at ?? new Date()
    const operations = running.filter(({ state }) => state === 'running').map((one) => operationRow(one, view, now))
    return { ...statusAnswer(status, view), outbox: name, operations }
  }
  const lookThoroughly = async () => {
    const { findings, at } = await admin.status({ thorough: true, compareSchema: false, askBackends: true })
    return { findings: findingRows(findings), at: at?.toISOString() ?? null }
  }
  return { name, admin, feed: new StatusFeed(look, timeout), findings: new FindingsFeed(lookThoroughly, timeout) }
}

const isOutbox = (value: unknown): value is AdministeredOutbox =>
  typeof value === 'object' && value !== null && 'admin' in value && hasMethods(value.admin, ['status', 'filter'])

/** By name. Throws `INVALID_OPTION`. */
function outboxesOf(given: unknown): readonly (readonly [name: string, admin: Admin])[] {
  if (isOutbox(given)) return [[given.name, given.admin]]
  const entries: readonly (readonly [string, unknown])[] =
    typeof given === 'object' && given !== null && !Array.isArray(given) ? Object.entries(given) : []
  const wrong = entries.find(([, one]) => !isOutbox(one))
  if (entries.length > 0 && wrong === undefined) {
    return entries.flatMap(([name, one]) => (isOutbox(one) ? [[name, one.admin] as const] : []))
  }
  const [field, value] = wrong ? [`outboxes.${wrong[0]}`, wrong[1]] : ['outboxes', given]
  const message = `adminHandler(): ${field} is ${describeKind(value)}; give a Broadcaster, or an object of them by name`
  throw new BroadcasterError('INVALID_OPTION', message, { field })
}

function featuresOf(): Desk['features'] {
  return {
    pause: true,
    audit: true,
    operations: true,
    history: true,
    rates: true,
    storage: true,
    inbox: true,
    consumers: true,
    testEvent: true,
    deadLetters: true,
  }
}

/** The path without its query, which may hold a filter; no header and no body. */
function log({ method, url }: Request, error: unknown): void {
  const { pathname } = new URL(url)
  console.error(
    `${new Date().toISOString()} broadcaster admin: ${method} ${pathname.slice(0, 200)} is answered 500: ${describeError(error)}`,
  )
}
