import { defineCommand } from '../command.ts'
import { eachOutbox, type OutboxReport } from '../each-outbox.ts'
import { EXIT } from '../exit-codes.ts'
import { onOneLine } from '../format.ts'
import { type Column, fitTable } from '../table.ts'

/** A line of the answer. */
interface Checked {
  readonly name: string
  readonly healthy: boolean
  readonly latency?: number | undefined
  readonly detail: string
}

const COLUMNS: readonly Column<Checked>[] = [
  { title: 'NAME', cell: ({ name }) => name, least: 12 },
  { title: 'STATE', cell: ({ healthy }) => (healthy ? 'healthy' : 'NOT HEALTHY') },
  {
    title: 'ANSWERED IN',
    cell: ({ latency }) => (latency === undefined ? '' : `${latency.toFixed(1)} ms`),
    expendable: 1,
  },
]
const DETAIL: Column<Checked> = { title: 'DETAIL', cell: ({ detail }) => detail }

/** `broadcaster health`. */
export const health = defineCommand({
  name: 'health',
  summary: 'Checks the database and every backend.',
  description:
    'Ends with 6 when a backend is not healthy, 5 when the database is out of reach, and 4 when the outbox is not there.',
  options: {
    timeout: { kind: 'duration', help: 'How long each check may take. Default: 5s.' },
  },
  async run({ options }, { terminal, outboxes }) {
    const { timeout, json } = options
    return eachOutbox(await outboxes(), { terminal, json }, async ({ broadcaster }) => {
      const [schema, backends] = await Promise.all([
        broadcaster.store.schema.check(),
        broadcaster.getBackendHealth({ timeout }),
      ])
      const { version, latest, lanes } = schema
      const healthy = Object.values(backends).every((one) => one.healthy)
      const place = { name: broadcaster.store.description, healthy: true, detail: `version ${version} of ${latest}` }
      const rows = Object.entries(backends).map(([name, one]) => ({ name, ...one, detail: one.detail ?? '' }))
      return {
        json: { healthy, store: { version, latest, lanes }, backends },
        lines: linesOf([place, ...rows], terminal.width),
        code: healthy ? EXIT.ok : EXIT.unhealthy,
      }
    })
  },
})

/** A detail holds cause and cure, so that it is never cut: where the window is too narrow they are beneath their lines. */
function linesOf(rows: readonly Checked[], width: number | undefined): OutboxReport['lines'] {
  const wide = fitTable([...COLUMNS, DETAIL], rows, undefined)
  const fits = wide.every((line) => line.length <= (width ?? Number.POSITIVE_INFINITY))
  const [titles = '', ...lines] = fits ? wide : fitTable(COLUMNS, rows, width)
  const told = rows.flatMap(({ healthy, detail }, n) => {
    const beneath = fits || detail === '' ? [] : [`  ${onOneLine(detail)}`]
    const texts = [lines[n] ?? '', ...beneath]
    return texts.map((text) => (healthy ? text : ({ text, colour: 'red' } as const)))
  })
  return [titles, ...told]
}
