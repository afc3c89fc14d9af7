import type { BackendStats, OutboxStats } from '../../store/admin-store.ts'
import type { LiveWorker } from '../../store/coordination-store.ts'
import { type OpenBreaker, openBreakers, openFor, placeOf } from '../breakers.ts'
import { defineCommand } from '../command.ts'
import { eachStore } from '../each-store.ts'
import { EXIT } from '../exit-codes.ts'
import { countOf, formatDuration, formatTable } from '../format.ts'

/** `broadcaster stats`. */
export const stats = defineCommand({
  name: 'stats',
  summary: 'Shows how much waits for each backend, who works, and which breakers are open.',
  options: {},
  async run({ options }, { terminal, stores }) {
    return eachStore(await stores(), { terminal, json: options.json }, async ({ broadcaster, backends }) => {
      await broadcaster.store.schema.check()
      const found = await broadcaster.events.stats()
      const survey = await broadcaster.store.coordination.look(backends)
      const { lanes, breakers } = survey
      const open = await openBreakers(broadcaster, backends, breakers)
      const workers = survey.workers.map((worker) => ({
        ...worker,
        lanes: lanes.filter((lane) => lane.owner === worker.id).length,
      }))
      return {
        json: { ...found, workers, breakers, openBreakers: open },
        lines: linesOf(found, workers, open),
        code: EXIT.ok,
      }
    })
  },
})

function linesOf(
  found: OutboxStats,
  workers: readonly (Omit<LiveWorker, 'id'> & { readonly lanes: number })[],
  breakers: readonly OpenBreaker[],
): readonly string[] {
  return [
    ...formatTable(TITLES, found.backends.map(row)),
    '',
    `${found.totalRowsIsEstimate ? 'About ' : ''}${countOf(found.totalRows, 'row')} in all.`,
    ...workers.map(
      ({ name, lanes, backends, leaseLeft }) =>
        `Worker ${name}: ${countOf(lanes, 'lane')} of ${backends.join(', ')}; its lease ends in ${formatDuration(leaseLeft)} unless renewed.`,
    ),
    ...(workers.length === 0 ? ['No worker is running.'] : []),
    ...breakers.map((one) => `The breaker of ${placeOf(one)} is open${openFor(one, ' since ')}: ${one.error}`),
  ]
}

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
