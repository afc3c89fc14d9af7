import type { Broadcaster } from '../../broadcaster.ts'
import { suggestion } from '../../foundation/suggestion.ts'
import type { WorkerOptions } from '../../relay/worker-options.ts'
import { WorkerPool } from '../../relay/worker-pool.ts'
import type { Input } from '../arguments.ts'
import { defineCommand } from '../command.ts'
import type { Configured } from '../config-file.ts'
import { EXIT, UsageError } from '../exit-codes.ts'
import { startWorkerLog } from '../worker-log.ts'
import { checkServices, SERVICE_OPTIONS, startServices } from '../worker-services.ts'

const OPTIONS = {
  'batch-size': {
    kind: 'integer',
    min: 1,
    max: 10_000,
    env: 'BROADCASTER_BATCH_SIZE',
    help: 'Events in one send. Default: 100.',
  },
  interval: {
    kind: 'duration',
    env: 'BROADCASTER_INTERVAL',
    help: 'The longest time between two polls for events; a bare number is seconds. Default: 1s.',
  },
  'max-iterations': {
    kind: 'integer',
    min: 0,
    env: 'BROADCASTER_MAX_ITERATIONS',
    help: 'Ends after this many passes, each until nothing is due; 0 = for ever. Default: 0.',
  },
  name: { kind: 'text', env: 'BROADCASTER_WORKER_NAME', help: 'Shown in stats and in the history of attempts.' },
  backend: { kind: 'list', value: 'name', env: 'BROADCASTER_BACKENDS', help: 'Serves only these. Default: all.' },
  concurrency: {
    kind: 'integer',
    min: 1,
    max: 100,
    env: 'BROADCASTER_CONCURRENCY',
    help: 'Sends in flight for each backend. Default: 4.',
  },
  'max-in-flight-bytes': {
    kind: 'integer',
    min: 1,
    env: 'BROADCASTER_MAX_IN_FLIGHT_BYTES',
    help: 'Bytes of data in memory, over all backends. Default: 33554432 (32 MiB).',
  },
  lease: {
    kind: 'duration',
    env: 'BROADCASTER_LEASE',
    help: 'How long the lanes of a killed worker stay its own. Default: 10s.',
  },
  'send-timeout': {
    kind: 'duration',
    env: 'BROADCASTER_SEND_TIMEOUT',
    help: 'How long one send may take. Default: 5s.',
  },
  'on-failed': {
    kind: 'choice',
    choices: ['block', 'skip'],
    env: 'BROADCASTER_ON_FAILED',
    help: 'What an event that failed for good does to later events of its key. Default: block.',
  },
  'max-sends': {
    kind: 'integer',
    min: 1,
    max: 100_000,
    env: 'BROADCASTER_MAX_SENDS',
    help: 'With several outboxes: sends in flight over all of them. Default: 64.',
  },
  ...SERVICE_OPTIONS,
  verbose: { kind: 'flag', env: 'BROADCASTER_VERBOSE', help: 'Prints a line for each published event.' },
} as const

/** `broadcaster worker`. */
export const worker = defineCommand({
  name: 'worker',
  summary: 'Delivers events until it is stopped.',
  description:
    'Any number of workers share the work. SIGINT or SIGTERM finishes what is in flight and gives the lanes back;\n' +
    'a second one ends at once, with 130 or 143. Options given here go before those of the configuration file.\n' +
    'With --json each line is one signal as a JSON object, with the fields of structured logs: keys only as a hash.',
  options: OPTIONS,
  examples: [
    'broadcaster worker',
    'broadcaster worker --batch-size 500 --backend partners',
    'broadcaster worker --max-iterations 1',
    'broadcaster worker --health-port 8081 --metrics-port 9464',
  ],
  async run({ options }, { terminal, outboxes }) {
    checkServices(options)
    const configured = await outboxes()
    requireBackends(options.backend, configured)
    const all = configured.map(({ broadcaster }) => broadcaster)
    const runner = runnerFor(all, options)
    const signal = terminal.stopSignal()
    const { json, verbose } = options
    const names = all.map(({ name }) => name)
    const services = await startServices(all, options)
    for (const line of services.lines) terminal.note(`broadcaster: ${line}`, 'dim')
    let isOver = false
    const stopLog = startWorkerLog(names, terminal, { json, verbose, passes: runner.passes })
    try {
      // The check must not hold up the start: a backend that is down may take seconds to say so.
      await Promise.all([
        runner.run(signal),
        ...all.map((one) =>
          warnOfUnhealthy(one, all.length > 1 ? ` of ${one.name}` : '', (line) => isOver || terminal.note(line)),
        ),
      ])
    } finally {
      // What is closed by now would be called unhealthy, and hide what did go wrong.
      isOver = true
      stopLog()
      services.close()
    }
    return EXIT.ok
  },
})

/** Throws `UsageError` for a name in `--backend` that no outbox has. */
function requireBackends(wanted: readonly string[], configured: readonly Configured[]): void {
  const known = [...new Set(configured.flatMap(({ backends }) => backends))]
  const unknown = wanted.find((name) => !known.includes(name))
  if (unknown !== undefined)
    throw new UsageError(
      `--backend names ${unknown}, which is not configured${suggestion(unknown, known) || `; there are ${known.join(', ')}`}`,
    )
}

/** A worker for one outbox, a pool for several. `passes`: it makes single passes. */
function runnerFor(
  all: readonly Broadcaster[],
  options: Input<typeof OPTIONS>['options'],
): { readonly passes: boolean; run(signal: AbortSignal): Promise<void> } {
  const worker = workerOptions(options)
  const [only, ...more] = all
  if (only !== undefined && more.length === 0) {
    const made = only.worker(worker)
    return { passes: made.options.maxIterations > 0, run: (signal) => made.run(signal) }
  }
  const pool = new WorkerPool(all, { worker, concurrency: options['max-sends'] })
  return { passes: (options['max-iterations'] ?? 0) > 0, run: (signal) => pool.run(signal) }
}

function workerOptions(options: Input<typeof OPTIONS>['options']): WorkerOptions {
  return {
    name: options.name,
    backends: options.backend.length > 0 ? options.backend : undefined,
    batchSize: options['batch-size'],
    pollInterval: options.interval,
    maxIterations: options['max-iterations'],
    concurrency: options.concurrency,
    maxInFlightBytes: options['max-in-flight-bytes'],
    lease: options.lease,
    sendTimeout: options['send-timeout'],
    onFailed: options['on-failed'],
  }
}

async function warnOfUnhealthy(broadcaster: Broadcaster, place: string, note: (line: string) => void): Promise<void> {
  for (const [name, { healthy, detail = 'no reason given' }] of Object.entries(await broadcaster.getBackendHealth())) {
    if (!healthy) note(`broadcaster: backend ${name}${place} is not healthy: ${detail}`)
  }
}
