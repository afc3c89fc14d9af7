import type { MigrationStatus } from '../../store/store.ts'
import { openBreakers, openFor, placeOf } from '../breakers.ts'
import { defineCommand } from '../command.ts'
import type { Configured } from '../config-file.ts'
import { eachStore } from '../each-store.ts'
import { EXIT } from '../exit-codes.ts'
import { countOf, formatDuration } from '../format.ts'

/** One thing that the doctor says. */
interface Finding {
  /** `wrong`: events wait for somebody to do something. `advice`: it works, and could be better. */
  readonly level: 'wrong' | 'advice' | 'fine'
  readonly check: 'schema' | 'indexes' | 'clock' | 'workers' | 'breakers' | 'events' | 'backends'
  readonly message: string
  /** What to do: a command, an SQL statement or a sentence. */
  readonly cure?: string
}

const COLOURS = { wrong: 'red', advice: 'yellow', fine: 'green' } as const

/** Half of the shortest due time that people give by the clock. */
const CLOCK_TOLERANCE = 1_000
const DEFAULT_MAX_AGE = 300_000

/** `broadcaster doctor`. */
export const doctor = defineCommand({
  name: 'doctor',
  summary: 'Looks for what keeps events waiting or makes them dear, and says what to do.',
  description: 'Changes nothing. Ends with 6 when something is wrong; advice alone is 0.',
  options: {
    'max-age': { kind: 'duration', help: 'How long a due event may have waited. Default: 5m.' },
  },
  async run({ options }, { terminal, stores }) {
    return eachStore(await stores(), { terminal, json: options.json }, async (place) => {
      const status = await place.broadcaster.store.schema.status()
      const findings = [
        schemaFinding(place, status),
        ...(status.pending.length > 0 ? [] : await examine(place, options['max-age'] ?? DEFAULT_MAX_AGE)),
      ]
      return {
        json: { findings },
        lines: findings.flatMap(({ level, message, cure }) => [
          { text: `${level.padEnd(6)}  ${message}`, colour: COLOURS[level] },
          ...(cure === undefined ? [] : [`        -> ${cure}`]),
        ]),
        code: findings.some(({ level }) => level === 'wrong') ? EXIT.unhealthy : EXIT.ok,
      }
    })
  },
})

function schemaFinding({ broadcaster }: Configured, { version, latest, pending, foreign }: MigrationStatus): Finding {
  const place = broadcaster.store.description
  const cure = 'broadcaster migrate'
  if (foreign) return { level: 'wrong', check: 'schema', message: `${place} is there, and not taken over`, cure }
  if (pending.length === 0) return { level: 'fine', check: 'schema', message: `${place} is at version ${version}` }
  return { level: 'wrong', check: 'schema', message: `${place} is at version ${version} of ${latest}`, cure }
}

async function examine(place: Configured, maxAge: number): Promise<readonly Finding[]> {
  return [...(await lookAtDatabase(place)), ...(await lookAtWorkers(place, maxAge)), ...(await lookAtBackends(place))]
}

/** What the backends say of the places where events go. */
async function lookAtBackends({ broadcaster }: Configured): Promise<readonly Finding[]> {
  const found = await broadcaster.getBackendFindings()
  return Object.entries(found).flatMap(([name, findings]) =>
    findings.map((one) => ({ ...one, check: 'backends' as const, message: `${name}: ${one.message}` })),
  )
}

async function lookAtDatabase({ broadcaster }: Configured): Promise<readonly Finding[]> {
  const before = Date.now()
  const found = await broadcaster.store.schema.inspect?.()
  if (found === undefined) return []
  const skew = found.now.getTime() - (before + Date.now()) / 2
  return [
    ...found.extraIndexes.map(
      ({ name, on, drop }): Finding => ({
        level: 'advice',
        check: 'indexes',
        message: `the index ${name} ${on} is not ours: no worker reads it, and each insert and each delivery pays for it`,
        cure: `${drop}; (if none of your own queries needs it)`,
      }),
    ),
    Math.abs(skew) > CLOCK_TOLERANCE
      ? {
          level: 'advice',
          check: 'clock',
          message: `this host's clock is ${formatDuration(Math.abs(skew))} ${skew > 0 ? 'behind' : 'ahead of'} the database's, which alone decides when an event is due`,
          cure: 'set the clock, or publish with delay instead of scheduledAt',
        }
      : { level: 'fine', check: 'clock', message: 'this host and the database agree about the time' },
  ]
}

async function lookAtWorkers({ broadcaster, backends }: Configured, maxAge: number): Promise<readonly Finding[]> {
  const stats = await broadcaster.events.stats()
  const { workers, lanes, breakers } = await broadcaster.store.coordination.look(backends)
  const findings: Finding[] = []
  const waiting = stats.backends.reduce((sum, { pending }) => sum + pending, 0)
  const living = new Set(workers.map(({ id }) => id))
  const orphans = lanes.filter(({ owner }) => owner !== null && !living.has(owner)).length
  if (workers.length > 0) {
    findings.push({ level: 'fine', check: 'workers', message: `${countOf(workers.length, 'worker')} at work` })
  } else {
    findings.push({
      level: waiting > 0 ? 'wrong' : 'advice',
      check: 'workers',
      message: `no worker is running, and ${countOf(waiting, 'event')} can be sent`,
      cure: 'broadcaster worker',
    })
  }
  if (orphans > 0) {
    findings.push({
      level: 'advice',
      check: 'workers',
      message: `${countOf(orphans, 'lane')} had a worker that died; living ones take them within a second`,
    })
  }
  for (const one of await openBreakers(broadcaster, backends, breakers)) {
    findings.push({
      level: 'wrong',
      check: 'breakers',
      message: `the breaker of ${placeOf(one)} has been open${openFor(one, ' for ')}: ${one.error}`,
      cure: `mend ${one.destination || one.backend}; its events wait, and go out by themselves then (broadcaster breaker list)`,
    })
  }
  for (const one of stats.backends) {
    const name = one.backend === '' ? 'the default backend' : one.backend
    if (one.backend !== '' && !backends.includes(one.backend) && one.pending + one.parked > 0) {
      findings.push({
        level: 'wrong',
        check: 'events',
        message: `${countOf(one.pending + one.parked, 'event')} ${one.pending + one.parked === 1 ? 'waits' : 'wait'} for a backend ${one.backend}, which is not configured here`,
        cure: `add ${one.backend} to \`backends\``,
      })
    }
    if (one.oldestPendingAge !== null && one.oldestPendingAge > maxAge) {
      findings.push({
        level: 'wrong',
        check: 'events',
        message: `the oldest due event of ${name} has waited ${formatDuration(one.oldestPendingAge)}`,
        cure: 'broadcaster stats',
      })
    }
    if (one.failed > 0) {
      findings.push({
        level: one.blockedKeys > 0 ? 'wrong' : 'advice',
        check: 'events',
        message: `${countOf(one.failed, 'event')} of ${name} failed for good, and ${countOf(one.blockedKeys, 'key')} wait behind them`,
        cure: 'broadcaster list --status failed, then requeue, skip or cancel',
      })
    }
  }
  return findings
}
