import { patiently } from '../../patient-lock.ts'
import { type FoundSchema, stepsThere, versionOf } from '../../schema-status.ts'
import { schemaStore } from '../../schema-store.ts'
import type { SchemaStore } from '../../store.ts'
import { capture } from '../capture.ts'
import type { Client, Clients, ClientTransaction } from '../client.ts'
import { inspect } from '../inspect.ts'
import { partition } from '../partitions/convert.ts'
import { refuseEncoding, SESSION_ENCODING } from '../session-encoding.ts'
import { sizes } from '../sizes.ts'
import type { Tables } from '../tables.ts'
import { hasLostRecords, lanesLeft } from './mend/lost-records.ts'
import { drift, mend } from './mend/mend.ts'
import { type Migration, scriptOf } from './migration.ts'
import { MIGRATIONS } from './migrations.ts'
import { printTakeOver } from './takeover/steps.ts'
import { isForeign, lockMigrations, takeOver } from './takeover/take-over.ts'

/**
 * How long a step waits for a lock, with all who come later behind it, and how long it gives way, in ms; and for how long it tries. How
 * long it works has no limit.
 */
const LOCK_WAIT = 150
const LOCK_PAUSE = 850
const PATIENCE = 300_000

/** Migrations on PostgreSQL. `migrations` are those this package knows. */
export function schema(
  clients: Pick<Clients, 'operator' | 'check' | 'migration'>,
  t: Tables,
  migrations: readonly Migration[] = MIGRATIONS,
): SchemaStore {
  const { operator, migration: client } = clients
  return schemaStore({
    table: t.events,
    steps: migrations,
    read: (use) => read(clients[use], t),
    async migrate(lanes, onProgress) {
      const before = await read(client, t)
      if (before.foreign) await takeOver(client, t, { lanes, ...(onProgress && { onProgress }) })
      const steps = before.foreign ? [] : stepsThere(before, migrations)
      // A step knows nothing of what was dropped meanwhile: what it builds on must be there first.
      const mended =
        steps.length === 0 ? [] : await mend(client, t, { steps, lanes: (await lanesLeft(client, t)) ?? lanes })
      const done = versionOf(await read(client, t))
      for (const step of migrations) {
        if (step.version > done) await applyPatiently(client, t, step, lanes)
      }
      return mended
    },
    script: (step, lanes) => `BEGIN;\n${scriptOf(step, t, step.sql(t, lanes))}COMMIT;\n`,
    takeOverScript: (lanes) => printTakeOver(t, lanes),
    inspect: inspect(operator, t),
    capture: capture(operator, t),
    sizes: sizes(operator, t),
    async drift() {
      const found = await read(client, t)
      const lanes = found.lanes ?? (await lanesLeft(client, t))
      const steps = stepsThere(found, migrations)
      return steps.length === 0 || lanes == null ? [] : drift(client, t, { steps, lanes })
    },
    partition: partition(client, t),
  })
}

async function read(client: Client, t: Tables): Promise<FoundSchema> {
  const [found] = await client.query(
    `SELECT to_regclass($1) AS found, to_regclass($2) AS settings, ${SESSION_ENCODING} AS encoding`,
    [t.migrations, t.settings],
  )
  refuseEncoding(found?.['encoding'])
  if (found?.['found'] == null) {
    const lost = await hasLostRecords(client, t)
    return { steps: [], lanes: null, foreign: !lost && (await isForeign(client, t)), lost }
  }
  const lanes = found['settings'] == null ? 'NULL' : `(SELECT lanes FROM ${t.settings})`
  const rows = await client.query(`SELECT version, breaking, ${lanes} AS lanes FROM ${t.migrations} ORDER BY version`)
  return {
    steps: rows.map((row) => ({ version: Number(row['version']), breaking: row['breaking'] === 't' })),
    lanes: rows[0]?.['lanes'] == null ? null : Number(rows[0]['lanes']),
    foreign: false,
    lost: false,
  }
}

/** As publishers go on meanwhile, a step that does not get its locks soon begins anew. */
async function applyPatiently(client: Client, t: Tables, step: Migration, lanes: number): Promise<void> {
  await patiently(
    () => client.transaction((tx) => apply(tx, t, step, lanes)),
    LOCK_PAUSE,
    PATIENCE,
    async () =>
      `step ${step.version} (${step.name}) of the schema of ${t.events.replaceAll('"', '')} did not get its locks for ${PATIENCE / 60_000} minutes; let long transactions end, and run \`broadcaster migrate\` again: it goes on where it stopped`,
  )
}

/** Several processes may migrate at once: the second waits here and then finds nothing to do. */
async function apply(tx: ClientTransaction, t: Tables, step: Migration, lanes: number): Promise<void> {
  await lockMigrations(tx, t)
  // Naming pg_class makes this session see tables made while it waited: by itself to_regclass answers from a cache.
  const [found] = await tx.query('SELECT to_regclass($1) AS found FROM pg_catalog.pg_class LIMIT 1', [t.migrations])
  if (found?.['found'] != null) {
    const done = await tx.query(`SELECT version FROM ${t.migrations} WHERE version = $1::integer`, [step.version])
    if (done.length > 0) return
  }
  await tx.script(`SET LOCAL lock_timeout = '${LOCK_WAIT}ms'`)
  await tx.script(scriptOf(step, t, step.sql(t, lanes)))
}
