import { BroadcasterError } from '../../../errors.ts'
import type { MigrationStatus, SchemaStore } from '../../store.ts'
import type { Client, ClientTransaction } from '../client.ts'
import type { Tables } from '../tables.ts'
import type { Migration } from './migration.ts'
import { MIGRATIONS } from './migrations.ts'

const DEFAULT_LANES = 64
const MOST_LANES = 1024

interface Applied {
  readonly version: number
  readonly breaking: boolean
}

/** Migrations on PostgreSQL. `migrations` are those this package knows. */
export function schema(client: Client, t: Tables, migrations: readonly Migration[] = MIGRATIONS): SchemaStore {
  const latest = migrations.at(-1)?.version ?? 0

  const status = async (): Promise<MigrationStatus> => statusOf(await readApplied(client, t), migrations, latest)

  return {
    status,

    async migrate({ lanes = DEFAULT_LANES } = {}) {
      checkLanes(lanes)
      for (const migration of (await status()).pending) {
        const step = migrations.find(({ version }) => version === migration.version)
        if (step) await client.transaction((tx) => apply(tx, t, step, lanes))
      }
      return status()
    },

    print({ from = 0, lanes = DEFAULT_LANES } = {}) {
      checkLanes(lanes)
      return migrations
        .filter(({ version }) => version > from)
        .map((step) => `-- ${step.version} ${step.name}\nBEGIN;\n${scriptOf(step, t, lanes)}COMMIT;\n`)
        .join('\n')
    },

    async check() {
      const applied = await readApplied(client, t)
      const found = statusOf(applied, migrations, latest)
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

async function readApplied(client: Client, t: Tables) {
  const [found] = await client.query('SELECT to_regclass($1) AS found', [t.migrations])
  if (found?.['found'] == null) return { steps: [], lanes: null }
  const rows = await client.query(
    `SELECT version, breaking, (SELECT lanes FROM ${t.settings}) AS lanes FROM ${t.migrations} ORDER BY version`,
  )
  return {
    steps: rows.map((row): Applied => ({ version: Number(row['version']), breaking: row['breaking'] === 't' })),
    lanes: rows[0] ? Number(rows[0]['lanes']) : null,
  }
}

/** Several processes may migrate at once: the second waits here and then finds nothing to do. */
async function apply(tx: ClientTransaction, t: Tables, step: Migration, lanes: number): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`ts-broadcaster migrate ${t.events}`])
  // Naming pg_class makes this session hear of tables made while it waited: by itself to_regclass answers from a cache.
  const [found] = await tx.query('SELECT to_regclass($1) AS found FROM pg_catalog.pg_class LIMIT 1', [t.migrations])
  if (found?.['found'] != null) {
    const done = await tx.query(`SELECT version FROM ${t.migrations} WHERE version = $1::integer`, [step.version])
    if (done.length > 0) return
  }
  await tx.script(scriptOf(step, t, lanes))
}

function scriptOf(step: Migration, t: Tables, lanes: number): string {
  const schema = t.schema === undefined ? '' : `CREATE SCHEMA IF NOT EXISTS ${t.schema};\n`
  return `${schema}CREATE TABLE IF NOT EXISTS ${t.migrations} (
  version integer PRIMARY KEY,
  name text NOT NULL,
  breaking boolean NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT statement_timestamp()
);
${step.sql(t, lanes)}
INSERT INTO ${t.migrations} (version, name, breaking) VALUES (${step.version}, '${step.name}', ${step.breaking});
`
}

function checkLanes(lanes: number): void {
  if (Number.isInteger(lanes) && lanes >= 1 && lanes <= MOST_LANES) return
  throw new BroadcasterError('INVALID_OPTION', `lanes is ${lanes}; give a whole number from 1 to ${MOST_LANES}`, {
    field: 'lanes',
    value: lanes,
  })
}
