import { BroadcasterError } from '../errors.ts'
import { describeKind } from '../foundation/describe-kind.ts'
import { byDefault, callback, hasMethods, oneOf, or } from '../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../foundation/option-table.ts'
import { requireRequest } from '../foundation/require-request.ts'
import { HEALTH, type Health, type HealthSource, type Liveness } from './health.ts'

type ShowsDetails = (request: Request) => boolean | PromiseLike<boolean>

const HANDLER = {
  /**
   * Who sees the checks with names, hosts and error texts: everyone (true), no one (false), or requests for which a
   * function returns true. Default false.
   */
  details: byDefault(false, or(callback<ShowsDetails>('a function of the request'), true, false)),
  /** Whether all of several sources must be ready, or any one. Default `all`. */
  readyWhen: oneOf('all', 'all', 'any'),
}

/** How health is reported over HTTP. */
export type HealthHandlerOptions = OptionsOf<typeof HEALTH & typeof HANDLER>

const isSource = (one: unknown): one is HealthSource => hasMethods(one, ['liveness', 'health'])

/** The sources as a list. Throws `INVALID_OPTION`. */
function sourcesOf(given: unknown): readonly HealthSource[] {
  const all: readonly unknown[] = Array.isArray(given) ? given : [given]
  const wrong = all.findIndex((one) => !isSource(one))
  if (wrong === -1 && all.length > 0) return all as readonly HealthSource[]
  const [field, value] = Array.isArray(given) && wrong !== -1 ? [`sources[${wrong}]`, all[wrong]] : ['sources', given]
  const message = `healthHandler(): ${field} is ${describeKind(value)}; give a Broadcaster or Consumer, or a list of them`
  throw new BroadcasterError('INVALID_OPTION', message, { field })
}

/**
 * Answers `/livez`, `/readyz` and `/healthz` (both) with 200 or 503 and a little JSON. `/livez` asks no server: it
 * stays green whatever happens to a database or broker. For `node:http` wrap it with `toNodeListener`. Throws
 * `INVALID_OPTION`.
 *
 * @example createServer(toNodeListener(healthHandler(broadcaster))).listen(8081)
 */
export function healthHandler(
  sources: HealthSource | readonly HealthSource[],
  options: HealthHandlerOptions = {},
): (request: Request) => Promise<Response> {
  const all = sourcesOf(sources)
  const { details, readyWhen, ...asked } = readOptions('healthHandler()', { ...HEALTH, ...HANDLER }, options)
  const ask = async (): Promise<Health> => {
    const told = await Promise.all(all.map((source) => source.health(asked)))
    const readiness = told.map(({ ready }) => ready)
    return { ...together(told), ready: readyWhen === 'all' ? !readiness.includes(false) : readiness.includes(true) }
  }
  const looks: Readonly<Record<string, () => Look | Promise<Look>>> = {
    '/livez': () => look(together(all.map((source) => source.liveness()))),
    '/readyz': async () => look(await ask(), 'ready'),
    '/healthz': async () => look(await ask(), 'live', 'ready'),
  }
  return async (request) => {
    requireRequest('what healthHandler() gives', request)
    const { pathname } = new URL(request.url)
    const find = Object.hasOwn(looks, pathname) ? looks[pathname] : undefined
    if (find === undefined) return answer(request, 404, { status: 'not found' })
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return answer(request, 405, { status: 'method not allowed' }, { allow: 'GET, HEAD' })
    }
    let found: Look
    try {
      found = await find()
    } catch {
      // A user's own source threw: the error may say anything.
      found = { well: false, told: {} }
    }
    const { well, told, checks } = found
    const shown = checks !== undefined && (await isShown(details, request)) ? { checks } : {}
    return answer(request, well ? 200 : 503, { status: well ? 'ok' : 'unavailable', ...told, ...shown })
  }
}

interface Look {
  readonly well: boolean
  /** What everybody may see. */
  readonly told: Readonly<Record<string, boolean>>
  readonly checks?: Liveness['checks']
}

/** What a source says; well when each of `words` (default `live`) is true. */
function look(health: Liveness & Partial<Health>, ...words: readonly ('live' | 'ready')[]): Look {
  const counted = words.length === 0 ? (['live'] as const) : words
  const told = Object.fromEntries(counted.map((word) => [word, health[word] === true]))
  return { well: !Object.values(told).includes(false), told, checks: health.checks }
}

function together(all: readonly Liveness[]): Liveness {
  return { live: all.every(({ live }) => live), checks: all.flatMap(({ checks }) => checks) }
}

async function isShown(details: boolean | ShowsDetails | undefined, request: Request): Promise<boolean> {
  if (typeof details !== 'function') return details === true
  try {
    return (await details(request)) === true
  } catch {
    return false
  }
}

function answer(
  request: Request,
  status: number,
  body: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const all = { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers }
  return new Response(request.method === 'HEAD' ? null : `${JSON.stringify(body)}\n`, { status, headers: all })
}
