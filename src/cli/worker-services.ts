import type { Broadcaster } from '../broadcaster.ts'
import { healthHandler } from '../health/health-handler.ts'
import { prometheus } from '../prometheus/prometheus.ts'
import type { OptionValues } from './command-options.ts'
import { UsageError } from './exit-codes.ts'
import { type HttpService, serveHttp } from './http-server.ts'

/** The options of what a worker answers over HTTP. */
export const SERVICE_OPTIONS = {
  'health-port': {
    kind: 'integer',
    min: 0,
    max: 65_535,
    env: 'BROADCASTER_HEALTH_PORT',
    help: 'Answers /livez, /readyz and /healthz there over HTTP; 0 = a free port. Default: none.',
  },
  'health-host': {
    kind: 'text',
    value: 'address',
    env: 'BROADCASTER_HEALTH_HOST',
    help: 'Where the health port listens; in a container 0.0.0.0, or ::. Default: 127.0.0.1.',
  },
  'health-details': {
    kind: 'flag',
    env: 'BROADCASTER_HEALTH_DETAILS',
    help: 'The health answers list the checks, with names, hosts and error texts.',
  },
  'metrics-port': {
    kind: 'integer',
    min: 0,
    max: 65_535,
    env: 'BROADCASTER_METRICS_PORT',
    help: 'Answers /metrics there, for Prometheus; 0 = a free port. It may be the health port. Default: none.',
  },
  'metrics-host': {
    kind: 'text',
    value: 'address',
    env: 'BROADCASTER_METRICS_HOST',
    help: 'Where the metrics port listens; in a container 0.0.0.0, or ::. Default: 127.0.0.1.',
  },
} as const

const LOCAL = '127.0.0.1'

/** Throws `UsageError` for an option of a port that is not given: it would silently have no effect. */
export function checkServices(options: OptionValues<typeof SERVICE_OPTIONS>): void {
  const { 'health-port': health, 'metrics-port': metrics } = options
  const needs = (option: keyof typeof SERVICE_OPTIONS, port: 'health-port' | 'metrics-port'): never => {
    throw new UsageError(`--${option} needs --${port}; in the environment that is ${SERVICE_OPTIONS[port].env}`)
  }
  if (health === undefined && options['health-host'] !== undefined) needs('health-host', 'health-port')
  if (health === undefined && options['health-details']) needs('health-details', 'health-port')
  if (metrics === undefined && options['metrics-host'] !== undefined) needs('metrics-host', 'metrics-port')
}

/**
 * Answers what the options ask for. `lines` say where; `close` ends it. Before the workers start: metrics count from then on.
 * Throws `INVALID_OPTION` when a port cannot be opened.
 */
export async function startServices(
  all: readonly Broadcaster[],
  options: OptionValues<typeof SERVICE_OPTIONS>,
): Promise<{ readonly lines: readonly string[]; close(): void }> {
  const { 'health-port': healthPort, 'metrics-port': metricsPort } = options
  const services: HttpService[] = []
  if (healthPort !== undefined) {
    services.push({
      name: 'health',
      port: healthPort,
      host: options['health-host'] ?? LOCAL,
      paths: ['/livez', '/readyz', '/healthz'],
      handle: healthHandler(all, { details: options['health-details'], readyWhen: 'any' }),
    })
  }
  const metrics = metricsPort === undefined ? undefined : prometheus(all)
  if (metrics && metricsPort !== undefined) {
    services.push({
      name: 'metrics',
      port: metricsPort,
      host: options['metrics-host'] ?? LOCAL,
      paths: ['/metrics'],
      handle: (request) => metrics.handle(request),
    })
  }
  try {
    const { urls, close } = await serveHttp(services)
    const [health, scraped] = [urls.get('health'), urls.get('metrics')]
    return {
      lines: [
        ...(health === undefined ? [] : [`health at ${health}/livez, /readyz and /healthz`]),
        ...(scraped === undefined ? [] : [`metrics at ${scraped}/metrics`]),
      ],
      close() {
        close()
        metrics?.close()
      },
    }
  } catch (error) {
    metrics?.close()
    throw error
  }
}
