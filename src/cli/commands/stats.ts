import { stringifyJson } from '../../event/json.ts'
import type { BackendStats } from '../../store/admin-store.ts'
import { defineCommand } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { countOf, formatDuration, formatTable } from '../format.ts'

/** `broadcaster stats`. */
export const stats = defineCommand({
  name: 'stats',
  summary: 'Shows how much waits for each backend, who works, and which breakers are open.',
  options: {},
  async run({ options }, { terminal, ready }) {
    const { broadcaster, backends } = await ready()
    const found = await broadcaster.events.stats()
    const { workers, lanes, breakers } = await broadcaster.store.coordination.survey(backends)
    const owned = (id: string): number => lanes.filter((lane) => lane.owner === id).length
    if (options.json) {
      terminal.out(
        stringifyJson({
          ...found,
          workers: workers.map((worker) => ({ ...worker, lanes: owned(worker.id) })),
          breakers,
        }),
      )
      return EXIT.ok
    }
    for (const line of formatTable(TITLES, found.backends.map(row))) terminal.out(line)
    terminal.out('')
    terminal.out(`${found.totalRowsIsEstimate ? 'About ' : ''}${countOf(found.totalRows, 'row')} in all.`)
    for (const worker of workers) {
      terminal.out(`Worker ${worker.name}: ${countOf(owned(worker.id), 'lane')} of ${worker.backends.join(', ')}.`)
    }
    if (workers.length === 0) terminal.out('No worker is running.')
    for (const { backend, since, error } of breakers.filter((breaker) => breaker.open)) {
      terminal.out(
        `The breaker of ${backend} is open${since === null ? '' : ` since ${formatDuration(since)}`}: ${error}`,
      )
    }
    return EXIT.ok
  },
})

const TITLES = ['BACKEND', 'PENDING', 'PARKED', 'BLOCKED', 'RETRYING', 'FAILED', 'BLOCKED KEYS', 'OLDEST']

function row(one: BackendStats): readonly string[] {
  return [
    one.backend === '' ? '(default)' : one.backend,
    ...[one.pending, one.parked, one.blocked, one.retrying, one.failed, one.blockedKeys].map((n) =>
      n.toLocaleString('en'),
    ),
    one.oldestPendingAge === null ? '' : formatDuration(one.oldestPendingAge),
  ]
}
