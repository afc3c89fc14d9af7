import type { Flow } from '../../admin/flow.ts'
import type { BackendStats, OutboxStatus } from '../../admin/status.ts'
import { countOf, formatBytes, formatDuration } from '../../foundation/for-people.ts'
import type { Count } from '../../store/outbox-look.ts'
import type { TableSize } from '../../store/table-sizes.ts'
import { defineCommand } from '../command.ts'
import { eachOutbox } from '../each-outbox.ts'
import { EXIT } from '../exit-codes.ts'
import { openFor, placeOf } from '../open-breakers.ts'
import { type Column, fitTable } from '../table.ts'
import { type Lately, latelyOf, perSecond, timeText } from '../times.ts'

/** `broadcaster stats`. */
export const stats = defineCommand({
  name: 'stats',
  summary: 'Shows how much waits for each backend, which workers run, and which breakers are open.',
  options: {},
  async run({ options }, { terminal, outboxes }) {
    return eachOutbox(await outboxes(), { terminal, json: options.json }, async ({ broadcaster }) => {
      await broadcaster.store.schema.check()
      const { findings: _, ...status } = await broadcaster.status()
      const flow = await broadcaster.admin.flow()
      const tables = await broadcaster.admin.storage()
      const json = { ...status, lately: flow.lately, tables }
      const lines = [...linesOf(status, flow, terminal.width), ...sizeLines(tables)]
      return { json, lines, code: EXIT.ok }
    })
  },
})

/** The largest, and all together. */
function sizeLines(tables: readonly TableSize[] | null): readonly string[] {
  const [largest] = tables ?? []
  if (tables === null || largest === undefined)
    return ['How large the tables are is not known: the store has no disk, or its role may not ask.']
  const { name, bytes, indexBytes } = largest
  const all = tables.reduce((sum, one) => sum + one.bytes, 0)
  const indexes = indexBytes === null ? '' : `, of which ${formatBytes(indexBytes)} are indexes`
  return [`${formatBytes(all)} on disk; the largest table is ${name} with ${formatBytes(bytes)}${indexes}.`]
}

function linesOf(status: Omit<OutboxStatus, 'findings'>, flow: Flow, width: number | undefined): readonly string[] {
  const { backends, totalRows, totalRowsIsEstimate, workers } = status
  const { seconds, stored } = flow.lately
  return [
    ...fitTable(columnsOf(latelyOf(flow), seconds), backends, width),
    '',
    `${totalRowsIsEstimate ? 'About ' : ''}${countOf(totalRows, 'row')} in all.`,
    ...(stored === null ? [] : [`${perSecond(stored / seconds)} a second were stored in the last five minutes.`]),
    ...workers.map(
      ({ name, lanes, backends: served, leaseLeft }) =>
        `Worker ${name}: ${countOf(lanes, 'lane')} of ${served.join(', ')}; its lease ends in ${formatDuration(leaseLeft)} unless renewed.`,
    ),
    ...(workers.length === 0 ? ['No worker is running.'] : []),
    ...backends.flatMap(({ backend, rate }) => (rate === null ? [] : [`${backend} sends ${rate} at most: its rate.`])),
    ...backends.flatMap(({ backend, paused }) =>
      paused === null
        ? []
        : [
            `${backend} was paused by ${paused.by} ${formatDuration(paused.since)} ago${paused.reason && `: ${paused.reason}`}`,
          ],
    ),
    ...backends
      .flatMap(({ openBreakers }) => openBreakers)
      .map(
        (one) =>
          `The breaker of ${placeOf(one)} ${one.since === null ? 'is open' : `has been open for ${openFor(one)}`}: ${one.error}`,
      ),
  ]
}

const counted = ({ count, exact }: Count): string => `${count.toLocaleString('en')}${exact ? '' : '+'}`

/** What shows a problem stays longest in a narrow window. */
const columnsOf = (lately: Lately, seconds: number): readonly Column<BackendStats>[] => [
  { title: 'BACKEND', cell: ({ backend }) => (backend === '' ? '(default)' : backend), least: 12 },
  { title: 'WAITING', cell: ({ waiting }) => counted(waiting) },
  { title: 'STUCK', cell: ({ stuck }) => counted(stuck), expendable: 2 },
  { title: 'LAG', cell: ({ lag }) => (lag === null ? '' : formatDuration(lag)) },
  { title: 'SCHEDULED', cell: ({ scheduled }) => counted(scheduled), expendable: 5 },
  { title: 'RETRYING', cell: ({ retrying }) => counted(retrying), expendable: 4 },
  { title: 'FAILED', cell: ({ failed }) => counted(failed) },
  { title: 'BLOCKED KEYS', cell: ({ blockedKeys }) => counted(blockedKeys), expendable: 3 },
  {
    title: 'OUT/S',
    cell({ backend }) {
      const done = lately.get(backend)
      return done === undefined ? '' : perSecond(done.delivered / seconds)
    },
    expendable: 6,
  },
  { title: 'P50', cell: ({ backend }) => timeText(lately.get(backend)?.times?.p50), expendable: 8 },
  { title: 'P99', cell: ({ backend }) => timeText(lately.get(backend)?.times?.p99), expendable: 7 },
]
