import type { BackendFinding } from '../backend/backend.ts'
import { countOf, formatDuration } from '../foundation/for-people.ts'
import type { Inspection } from '../store/inspection.ts'
import type { Count } from '../store/outbox-look.ts'
import type { MigrationStatus } from '../store/store.ts'
import type { Finding } from './finding.ts'
import { serverFindings } from './server-findings.ts'
import { type BackendStatus, type LaneStatus, type OpenBreaker, sum, type WorkerStatus } from './status.ts'
import { thoroughFindings } from './thorough-findings.ts'
import type { ThoroughLook } from './thorough-look.ts'

/** What was seen of an outbox. */
export interface Facts extends ThoroughLook {
  /** `postgres outbox.outbox_events`. */
  readonly store: string
  readonly schema: MigrationStatus
  /** Undefined = the database was not read, since its schema is missing or outdated. */
  readonly seen?: {
    readonly backends: readonly BackendStatus[]
    readonly workers: readonly WorkerStatus[]
    readonly lanes: readonly LaneStatus[]
  }
  /** Undefined = the store cannot tell. */
  readonly inspection?: Pick<Inspection, 'missingIndexes' | 'extraIndexes' | 'unreachable' | 'server'>
  /** Milliseconds by which the database's clock is ahead of this host's; undefined = not known. */
  readonly clockAhead?: number
  /** What the backends say themselves, by name. */
  readonly backendFindings?: Readonly<Record<string, readonly BackendFinding[]>>
  /** How long a due event that nothing holds may have waited, in milliseconds. */
  readonly maxLag: number
}

/** Half of the shortest due time that people give by the clock. */
const CLOCK_TOLERANCE = 1_000

/** What the facts mean: what is wrong, what could be better, and what to do. Pure. */
export function findingsOf(facts: Facts): readonly Finding[] {
  const { schema, seen, inspection, clockAhead, backendFindings = {} } = facts
  const isTold = (what: string): boolean =>
    inspection?.missingIndexes.some((name) => what === `the index ${name}`) ?? false
  return [
    schemaFinding(facts.store, schema),
    ...(inspection
      ? [
          ...inspection.missingIndexes.map(missingIndex),
          ...inspection.extraIndexes.map(extraIndex),
          ...inspection.unreachable.map(unreachable),
          ...serverFindings(inspection.server),
        ]
      : []),
    ...thoroughFindings({ ...facts, ...(facts.drift && { drift: facts.drift.filter((what) => !isTold(what)) }) }),
    ...(clockAhead === undefined ? [] : [clock(clockAhead)]),
    ...(seen
      ? [
          ...workers(seen),
          ...versions(seen.workers),
          ...seen.backends.flatMap(backendPaused),
          ...seen.backends.flatMap(({ openBreakers }) => openBreakers.map(breakerOpen)),
          ...seen.backends.flatMap((one) => eventsOf(one, facts.maxLag)),
        ]
      : []),
    ...Object.entries(backendFindings).flatMap(([name, found]) =>
      found.map((one): Finding => ({ ...one, code: 'backend', message: `${name}: ${one.message}` })),
    ),
  ]
}

function schemaFinding(store: string, { version, latest, pending, foreign }: MigrationStatus): Finding {
  const cure = 'broadcaster migrate'
  if (foreign) {
    return { code: 'schema-foreign', level: 'wrong', message: `${store} exists, but is not taken over`, cure }
  }
  if (pending.length === 0)
    return { code: 'schema-current', level: 'fine', message: `${store} is at version ${version}` }
  const message = `${store} is at version ${version} of ${latest}`
  // A step that older versions of this package do not survive is no small matter, and a person's to begin.
  const isSafe = version === 0 || pending.every(({ breaking }) => !breaking)
  return { code: 'schema-outdated', level: 'wrong', message, cure, ...(isSafe && { fix: 'migrate' }) }
}

function missingIndex(name: string): Finding {
  return {
    code: 'index-missing',
    level: 'wrong',
    message: `the index ${name} is missing or its build did not finish: workers read the whole table, or cannot read at all`,
    cure: 'broadcaster migrate',
    fix: 'migrate',
  }
}

function extraIndex({ name, on, drop }: Inspection['extraIndexes'][number]): Finding {
  return {
    code: 'extra-index',
    level: 'advice',
    message: `the index ${name} ${on} is not ours: no worker reads it, and each insert and each delivery pays for it`,
    cure: `${drop}; (if none of your own queries needs it)`,
  }
}

function unreachable({ what, status, found, mend }: Inspection['unreachable'][number]): Finding {
  if (what === 'lane') {
    const message = `${countOf(found, 'event')} or more in lanes that do not exist: no worker will ever send them`
    return { code: 'unreachable-lane', level: 'wrong', message, cure: `${mend};` }
  }
  const rows = `${countOf(found, 'row')} or more with the status ${JSON.stringify(status)}, which does not exist`
  const message = `${rows}: no worker sees them, and nothing deletes them`
  return { code: 'unreachable-status', level: 'wrong', message, cure: `${mend}; (or another status that exists)` }
}

function clock(ahead: number): Finding {
  if (Math.abs(ahead) <= CLOCK_TOLERANCE) {
    return { code: 'clock-agrees', level: 'fine', message: 'this host and the database agree about the time' }
  }
  const skew = `${formatDuration(Math.abs(ahead))} ${ahead > 0 ? 'behind' : 'ahead of'} the database's`
  return {
    code: 'clock-differs',
    level: 'advice',
    message: `this host's clock is ${skew}, which alone decides when an event is due`,
    cure: 'set the clock, or publish with delay instead of scheduledAt',
  }
}

function workers({ backends, workers, lanes }: NonNullable<Facts['seen']>): readonly Finding[] {
  const waiting = sum(...backends.map((one) => one.waiting))
  const orphans = lanes.filter(({ orphaned }) => orphaned).length
  const atWork: Finding =
    workers.length > 0
      ? { code: 'workers-at-work', level: 'fine', message: `${countOf(workers.length, 'worker')} at work` }
      : {
          code: 'no-worker',
          level: waiting.count > 0 ? 'wrong' : 'advice',
          message: `no worker is running, and ${waitingOf(waiting)}`,
          cure: 'broadcaster worker',
        }
  if (orphans === 0) return [atWork]
  const message = `${countOf(orphans, 'lane')} had a worker that died; living ones take them within a second`
  return [atWork, { code: 'lanes-orphaned', level: 'advice', message }]
}

/** A rolling release shows it for minutes; what stays is a host that was forgotten. */
function versions(workers: NonNullable<Facts['seen']>['workers']): readonly Finding[] {
  const byVersion = Map.groupBy(workers, ({ version }) => version ?? 'an earlier version, which does not tell it')
  if (byVersion.size < 2) return []
  const each = Array.from(byVersion, ([version, some]) => `${version} (${some.map(({ name }) => name).join(', ')})`)
  return [
    {
      code: 'versions-differ',
      level: 'advice',
      message: `workers run different versions: ${each.toSorted().join('; ')}`,
      cure: 'run the same version everywhere; while a release is rolled out this is usual',
    },
  ]
}

function backendPaused({ backend, paused }: BackendStatus): readonly Finding[] {
  if (paused === null) return []
  const { by, reason, since } = paused
  return [
    {
      code: 'backend-paused',
      level: 'advice',
      message: `${backend} was paused by ${by} ${formatDuration(since)} ago${reason === '' ? '' : `: ${reason}`}; its events wait`,
      cure: `broadcaster resume ${backend}`,
    },
  ]
}

function breakerOpen(one: OpenBreaker): Finding {
  const place = one.destination === '' ? one.backend : `${one.destination} behind ${one.backend}`
  const open = one.since === null ? 'is open' : `has been open for ${formatDuration(one.since)}`
  return {
    code: 'breaker-open',
    level: 'wrong',
    message: `the breaker of ${place} ${open}: ${one.error}`,
    cure: `repair ${one.destination || one.backend}; its events wait, and are sent automatically afterwards (broadcaster breaker list)`,
  }
}

function eventsOf(one: BackendStatus, maxLag: number): readonly Finding[] {
  const { backend, configured, waiting, scheduled, failed, blockedKeys, lag, rate } = one
  const name = backend === '' ? 'the default backend' : backend
  const found: Finding[] = []
  const undelivered = sum(waiting, scheduled)
  // An event without a name is for the default backend, whichever that is.
  if (backend !== '' && !configured && undelivered.count > 0) {
    found.push({
      code: 'backend-not-configured',
      level: 'wrong',
      message: `${waitingOf(undelivered)} for a backend ${backend}, which is not configured here`,
      cure: `add ${backend} to \`backends\``,
    })
  }
  if (lag !== null && lag > maxLag) {
    const why = rate === null ? '' : `; its rate lets ${rate} go, whatever waits`
    const message = `the oldest due event of ${name} has waited ${formatDuration(lag)}${why}`
    const cure = rate === null ? 'broadcaster stats' : `raise the rate of ${name}, or publish less`
    found.push({ code: 'lag-too-great', level: 'wrong', message, cure })
  }
  if (failed.count > 0) {
    const blocks = blockedKeys.count > 0
    const verb = failed.count === 1 ? 'blocks' : 'block'
    const effect = blocks ? `${verb} ${counted(blockedKeys, 'key')}` : `${verb} no key`
    found.push({
      code: 'events-failed',
      level: blocks ? 'wrong' : 'advice',
      message: `${counted(failed, 'event')} of ${name} failed for good, and ${effect}`,
      cure: 'broadcaster list --status failed, then requeue, skip or cancel',
    })
  }
  return found
}

/** `1 event waits`, `nothing waits`. */
function waitingOf(waiting: Count): string {
  if (waiting.count === 0) return 'nothing waits'
  return `${counted(waiting, 'event')} ${waiting.count === 1 ? 'waits' : 'wait'}`
}

/** `1 event`, `2,500+ events`. */
function counted({ count, exact }: Count, noun: string): string {
  return exact ? countOf(count, noun) : `${count.toLocaleString('en')}+ ${noun}s`
}
