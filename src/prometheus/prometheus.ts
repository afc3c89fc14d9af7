import { duration } from '../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../foundation/option-table.ts'
import { requireRequest } from '../foundation/require-request.ts'
import { type MeasuredOutbox, measuredOutboxes } from '../metrics/measured-outbox.ts'
import { ProcessMetrics } from '../metrics/process-metrics.ts'
import { StoreLook } from '../metrics/store-look.ts'
import { storeMetrics } from '../metrics/store-metrics.ts'
import { CONTENT_TYPE, exposition } from './exposition.ts'

export const PROMETHEUS = {
  /**
   * How long what was read from the database is reused, in milliseconds; 0 = each scrape queries again. Default 5,000.
   */
  maxAge: duration(5_000, { min: 0 }),
  /**
   * How long a scrape waits for the database, in milliseconds, before it answers with this process's counts alone.
   * Default 2,000.
   */
  timeout: duration(2_000),
}
/** Options of `prometheus()`. */
export type PrometheusOptions = OptionsOf<typeof PROMETHEUS>

/** Metrics of outboxes and of the consumers of this process. */
export interface Prometheus {
  /** The value of the header `content-type` for what `metrics` gives. */
  readonly contentType: string
  /**
   * All metrics in Prometheus' text format 0.0.4. Never rejects: a database that does not answer is shown by
   * `broadcaster_store_up`.
   */
  metrics(): Promise<string>
  /**
   * The same as the answer to a request: 200 to GET and HEAD, 405 to others, whatever the path. Needs no `this`:
   * `toNodeListener(metrics.handle)`.
   */
  readonly handle: (request: Request) => Promise<Response>
  /** Stops counting. What was counted stays. */
  close(): void
  /** For `using`: the same as `close`. */
  [Symbol.dispose](): void
}

/**
 * Counts what happens in this process from now on, and queries the database when it is scraped. Workers and consumers
 * that already run show as running; what they did before is not counted. For a process that only consumes, pass an
 * empty list. Throws `INVALID_OPTION`.
 *
 * @example
 * const metrics = prometheus(broadcaster)
 * app.get('/metrics', (context) => metrics.handle(context.req.raw))
 */
export function prometheus(
  outboxes: MeasuredOutbox | readonly MeasuredOutbox[],
  options: PrometheusOptions = {},
): Prometheus {
  const resolved = readOptions('prometheus()', PROMETHEUS, options)
  const looks = new Map(
    measuredOutboxes('prometheus()', outboxes).map(({ name, store }) => [
      name,
      new StoreLook(() => store.admin.look(), resolved),
    ]),
  )
  const counted = new ProcessMetrics([...looks.keys()], (outbox) => looks.get(outbox)?.clockAhead ?? 0)

  async function metrics(): Promise<string> {
    const looking = Array.from(looks, async ([name, look]) => [name, await look.seen()] as const)
    const read = storeMetrics(await Promise.all(looking))
    return exposition([...counted.samples, ...read])
  }

  async function handle(request: Request): Promise<Response> {
    requireRequest('handle of prometheus()', request)
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return new Response(null, { status: 405, headers: { allow: 'GET, HEAD' } })
    }
    const text = await metrics()
    const headers = { 'content-type': CONTENT_TYPE, 'cache-control': 'no-store' }
    return new Response(request.method === 'HEAD' ? null : text, { headers })
  }

  const close = (): void => counted.close()
  return { contentType: CONTENT_TYPE, metrics, handle, close, [Symbol.dispose]: close }
}
