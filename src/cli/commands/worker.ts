import type { Broadcaster } from '../../broadcaster.ts'
import type { WorkerOptions } from '../../relay/worker-options.ts'
import type { Input } from '../arguments.ts'
import { defineCommand } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import type { Terminal } from '../terminal.ts'
import { startWorkerLog } from '../worker-log.ts'

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
    help: 'The longest time between two looks for events; a bare number is seconds. Default: 1s.',
  },
  'max-iterations': {
    kind: 'integer',
    min: 0,
    env: 'BROADCASTER_MAX_ITERATIONS',
    help: 'Ends after so many passes of up to a batch each; 0 = for ever. Default: 0.',
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
  verbose: { kind: 'flag', env: 'BROADCASTER_VERBOSE', help: 'Prints a line for each published event.' },
} as const

/** `broadcaster worker`. */
export const worker = defineCommand({
  name: 'worker',
  summary: 'Delivers events until it is stopped.',
  description:
    'Any number of workers share the work. SIGINT or SIGTERM finishes what is in flight and gives the lanes back;\n' +
    'a second one ends at once, with 130 or 143. Options given here go before those of the configuration file.\n' +
    'With --json each line is one signal as a JSON object.',
  options: OPTIONS,
  examples: [
    'broadcaster worker',
    'broadcaster worker --batch-size 500 --backend partners',
    'broadcaster worker --max-iterations 1',
  ],
  async run({ options }, { terminal, configured }) {
    const { broadcaster } = await configured()
    const made = broadcaster.worker(workerOptions(options))
    const signal = terminal.stopSignal()
    const { json, verbose } = options
    const passes = made.options.maxIterations > 0
    const stopLog = startWorkerLog(broadcaster.name, terminal, { json, verbose, passes })
    try {
      // The check must not hold up the start: a backend that is down may take seconds to say so.
      await Promise.all([made.run(signal), warnOfUnhealthy(broadcaster, terminal)])
    } finally {
      stopLog()
    }
    return EXIT.ok
  },
})

function workerOptions(options: Input<typeof OPTIONS>['options']): WorkerOptions {
  return {
    ...(options.name !== undefined && { name: options.name }),
    ...(options.backend.length > 0 && { backends: options.backend }),
    ...(options['batch-size'] !== undefined && { batchSize: options['batch-size'] }),
    ...(options.interval !== undefined && { pollInterval: options.interval }),
    ...(options['max-iterations'] !== undefined && { maxIterations: options['max-iterations'] }),
    ...(options.concurrency !== undefined && { concurrency: options.concurrency }),
    ...(options.lease !== undefined && { lease: options.lease }),
    ...(options['send-timeout'] !== undefined && { sendTimeout: options['send-timeout'] }),
    ...(options['on-failed'] !== undefined && { onFailed: options['on-failed'] }),
  }
}

async function warnOfUnhealthy(broadcaster: Broadcaster, terminal: Terminal): Promise<void> {
  for (const [name, { healthy, detail = 'no reason given' }] of Object.entries(await broadcaster.getBackendHealth())) {
    if (!healthy) terminal.note(`broadcaster: backend ${name} is not healthy: ${detail}`)
  }
}
