import { stringifyJson } from '../../event/json.ts'
import { defineCommand } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { formatTable } from '../format.ts'

/** `broadcaster health`. */
export const health = defineCommand({
  name: 'health',
  summary: 'Asks the database and every backend how they are.',
  description:
    'Ends with 6 when a backend is not healthy, 5 when the database is out of reach, and 4 when the outbox is not there.',
  options: {
    timeout: { kind: 'duration', help: 'How long each check may take. Default: 5s.' },
  },
  async run({ options }, { terminal, configured }) {
    const { broadcaster } = await configured()
    const { timeout } = options
    const [schema, backends] = await Promise.all([
      broadcaster.store.schema.check(),
      broadcaster.getBackendHealth(timeout === undefined ? {} : { timeout }),
    ])
    const healthy = Object.values(backends).every((one) => one.healthy)
    if (options.json) {
      const { version, latest, lanes } = schema
      terminal.out(stringifyJson({ healthy, store: { version, latest, lanes }, backends }))
    } else {
      const rows = Object.entries(backends).map(([name, { healthy, latency, detail = '' }]) => [
        name,
        healthy ? 'healthy' : 'NOT HEALTHY',
        latency === undefined ? '' : `${latency.toFixed(1)} ms`,
        detail,
      ])
      const place = [broadcaster.store.description, 'healthy', '', `version ${schema.version} of ${schema.latest}`]
      for (const line of formatTable(['NAME', 'STATE', 'ANSWERED IN', ''], [place, ...rows])) terminal.out(line)
    }
    return healthy ? EXIT.ok : EXIT.unhealthy
  },
})
