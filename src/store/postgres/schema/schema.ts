import { BroadcasterError } from '../../../errors.ts'
import type { MigrationStatus, SchemaStore } from '../../store.ts'
import { capture } from '../capture.ts'
import type { Client, Clients, ClientTransaction } from '../client.ts'
import { inspect } from '../inspect.ts'
import type { Tables } from '../tables.ts'
import { hasLostRecords, lanesLeft } from './mend/lost-records.ts'
import { mend } from './mend/mend.ts'
import type { Migration } from './migration.ts'
import { scriptOf } from './migration-script.ts'
import { MIGRATIONS } from './migrations.ts'
import { printTakeOver } from './takeover/print.ts'
import { isForeign, lockMigrations, takeOver } from './takeover/take-over.ts'

const DEFAULT_LANES = 64
const MOST_LANES = 1024
/**
 * How long a step waits for a lock, in ms, before `STORE_BUSY`: everybody who comes later waits behind it. How long it works has no
 * limit.
 */
const LOCK_WAIT = 10_000

interface Applied {
  readonly version: number
  readonly breaking: boolean
}

/** Migrations on PostgreSQL. `migrations` are those this package knows. */
export function schema(
  clients: Pick<Clients, 'operator' | 'migration'>,
  t: Tables,
  migrations: readonly Migration[] = MIGRATIONS,
): SchemaStore {
  const latest = migrations.at(-1)?.version ?? 0
  const client = clients.operator

  const status = async (): Promise<MigrationStatus> => {
    const applied = await readApplied(client, t)
    const found = statusOf(applied, migrations, latest)
    return applied.foreign ? { ...found, foreign: true } : found
  }

  return {
    status,

    async migrate({ lanes = DEFAULT_LANES, onProgress } = {}) {
      checkLanes(lanes)
      const before = await readApplied(clients.migration, t)
      if (before.foreign) await takeOver(clients.migration, t, { lanes, ...(onProgress && { onProgress }) })
      const version = before.lost ? latest : Math.max(0, ...before.steps.map((step) => step.version))
      const steps = migrations.filter((step) => step.version <= version)
      // A step knows nothing of what somebody dropped meanwhile: what it builds on must be there first.
      const mended =
        steps.length === 0 || before.foreign || version > latest // what a newer version made is not ours to replace
          ? []
          : await mend(clients.migration, t, { steps, lanes: (await lanesLeft(clients.migration, t)) ?? lanes })
      for (const migration of (await status()).pending) {
        const step = migrations.find(({ version }) => version === migration.version)
        if (step) await clients.migration.transaction((tx) => apply(tx, t, step, lanes))
      }
      const after = await status()
      return mended.length === 0 ? after : { ...after, mended }
    },

    print({ from = 0, lanes = DEFAULT_LANES, takeOver = false } = {}) {
      checkLanes(lanes)
      const scripts = migrations
        .filter(({ version }) => version > (takeOver ? 1 : from))
        .map((step) => `-- ${step.version} ${step.name}\nBEGIN;\n${scriptOf(step, t, step.sql(t, lanes))}COMMIT;\n`)
      return [...(takeOver ? [printTakeOver(t, lanes)] : []), ...scripts].join('\n')
    },

    inspect: inspect(client, t),
    capture: capture(client, t),

    async check() {
      const applied = await readApplied(client, t)
      const found = statusOf(applied, migrations, latest)
      if (applied.foreign) {
        throw new BroadcasterError(
          'SCHEMA_OUTDATED',
          `${t.events.replaceAll('"', '')} is there, but not taken over, or not to the end; run \`broadcaster migrate\``,
        )
      }
      if (applied.lost || (found.version > 0 && found.lanes === null)) {
        throw new BroadcasterError(
          'SCHEMA_OUTDATED',
          `parts of ${t.events.replaceAll('"', '')} were dropped; run \`broadcaster migrate\`, which makes them again`,
        )
      }
      if (found.version === 0) {
        throw new BroadcasterError('SCHEMA_MISSING', `there is no ${t.events}; run \`broadcaster migrate\``)
      }
      const unknown = applied.steps.find((step) => step.breaking && step.version > latest)
      if (unknown) {
        throw new BroadcasterError(
          'SCHEMA_TOO_NEW',
          `${t.events} is at version ${found.version}, and this version of ts-broadcaster knows ${latest}; upgrade it`,
        )
      }
      if (found.pending.length > 0) {
        throw new BroadcasterError(
          'SCHEMA_OUTDATED',
          `${t.events} is at version ${found.version} and should be at ${latest}; run \`broadcaster migrate\``,
        )
      }
      return found
    },
  }
}

function statusOf(
  { steps, lanes }: { readonly steps: readonly Applied[]; readonly lanes: number | null },
  migrations: readonly Migration[],
  latest: number,
): MigrationStatus {
  const version = Math.max(0, ...steps.map((step) => step.version))
  const pending = migrations
    .filter((step) => step.version > version)
    .map(({ version, name, breaking }) => ({ version, name, breaking }))
  return { version, latest, lanes, pending }
}

interface AppliedSteps {
  readonly steps: readonly Applied[]
  readonly lanes: number | null
  readonly foreign: boolean
  /** There are parts of an outbox, and the record of its steps is not. */
  readonly lost: boolean
}

async function readApplied(client: Client, t: Tables): Promise<AppliedSteps> {
  const [found] = await client.query('SELECT to_regclass($1) AS found, to_regclass($2) AS settings', [
    t.migrations,
    t.settings,
  ])
  if (found?.['found'] == null) {
    const lost = await hasLostRecords(client, t)
    return { steps: [], lanes: null, foreign: !lost && (await isForeign(client, t)), lost }
  }
  const lanes = found['settings'] == null ? 'NULL' : `(SELECT lanes FROM ${t.settings})`
  const rows = await client.query(`SELECT version, breaking, ${lanes} AS lanes FROM ${t.migrations} ORDER BY version`)
  return {
    steps: rows.map((row): Applied => ({ version: Number(row['version']), breaking: row['breaking'] === 't' })),
    lanes: rows[0]?.['lanes'] == null ? null : Number(rows[0]['lanes']),
    foreign: false,
    lost: false,
  }
}

/** Several processes may migrate at once: the second waits here and then finds nothing to do. */
async function apply(tx: ClientTransaction, t: Tables, step: Migration, lanes: number): Promise<void> {
  await lockMigrations(tx, t)
  // Naming pg_class makes this session hear of tables made while it waited: by itself to_regclass answers from a cache.
  const [found] = await tx.query('SELECT to_regclass($1) AS found FROM pg_catalog.pg_class LIMIT 1', [t.migrations])
  if (found?.['found'] != null) {
    const done = await tx.query(`SELECT version FROM ${t.migrations} WHERE version = $1::integer`, [step.version])
    if (done.length > 0) return
  }
  await tx.script(`SET LOCAL lock_timeout = '${LOCK_WAIT}ms'`)
  await tx.script(scriptOf(step, t, step.sql(t, lanes)))
}

function checkLanes(lanes: number): void {
  if (Number.isInteger(lanes) && lanes >= 1 && lanes <= MOST_LANES) return
  throw new BroadcasterError('INVALID_OPTION', `lanes is ${lanes}; give a whole number from 1 to ${MOST_LANES}`, {
    field: 'lanes',
    value: lanes,
  })
}
