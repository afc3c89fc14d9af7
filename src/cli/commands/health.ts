import { defineCommand } from '../command.ts'
import { eachStore } from '../each-store.ts'
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
  async run({ options }, { terminal, stores }) {
    const { timeout, json } = options
    return eachStore(await stores(), { terminal, json }, async ({ broadcaster }) => {
      const [schema, backends] = await Promise.all([
        broadcaster.store.schema.check(),
        broadcaster.getBackendHealth(timeout === undefined ? {} : { timeout }),
      ])
      const { version, latest, lanes } = schema
      const healthy = Object.values(backends).every((one) => one.healthy)
      const rows = Object.entries(backends).map(([name, { healthy, latency, detail = '' }]) => [
        name,
        healthy ? 'healthy' : 'NOT HEALTHY',
        latency === undefined ? '' : `${latency.toFixed(1)} ms`,
        detail,
      ])
      const place = [broadcaster.store.description, 'healthy', '', `version ${version} of ${latest}`]
      return {
        json: { healthy, store: { version, latest, lanes }, backends },
        lines: formatTable(['NAME', 'STATE', 'ANSWERED IN', ''], [place, ...rows]).map((text, n) =>
          n > 0 && [place, ...rows][n - 1]?.[1] !== 'healthy' ? { text, colour: 'red' } : text,
        ),
        code: healthy ? EXIT.ok : EXIT.unhealthy,
      }
    })
  },
})
