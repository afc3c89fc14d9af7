import { BroadcasterError } from '../../../errors.ts'
import type { MigrationStatus, SchemaStore } from '../../store.ts'
import { capture } from '../capture.ts'
import type { Clients, RawRow, Runs } from '../client.ts'
import { inspect } from '../inspect.ts'
import { Sql, sql } from '../sql.ts'
import { errorNumber } from '../store-error.ts'
import type { Tables } from '../tables.ts'
import { findGaps, lanesLeft, mend } from './mend.ts'
import type { Migration } from './migration.ts'
import { createOutbox } from './migrations/0001-create-outbox.ts'
import { MIGRATIONS } from './migrations.ts'
import { isForeign, takeOver } from './takeover/take-over.ts'

const DEFAULT_LANES = 64
const MOST_LANES = 1024
/** Seconds that one waits for another that migrates: a large table may take its time. */
const PATIENCE = 3_600
const NO_SUCH_TABLE = 1146

/**
 * What the steps depend on, for their own session: a lock waits 10 s at most, since everybody who comes later waits behind it; how
 * long a step works has no limit. `sql_mode` may be ORACLE, which reads another language.
 */
const SETTINGS = sql`SET SESSION lock_wait_timeout = 10, SESSION innodb_lock_wait_timeout = 10, SESSION sql_safe_updates = 0,
  SESSION sql_select_limit = DEFAULT, SESSION sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'
  /*M! , SESSION max_statement_time = 0 */`

interface Applied {
  readonly version: number
  readonly breaking: boolean
}

/** Migrations on MySQL and MariaDB. `migrations` are those this package knows. */
export function schema(
  clients: Pick<Clients, 'operator' | 'migration'>,
  t: Tables,
  migrations: readonly Migration[] = MIGRATIONS,
): SchemaStore {
  const latest = migrations.at(-1)?.version ?? 0
  const client = clients.operator
  const read = async () => ({ steps: await readSteps(client, t), lanes: await readLanes(client, t) })
  const status = async (): Promise<MigrationStatus> => {
    const found = statusOf(await read(), migrations, latest)
    return (await isForeign(client, t)) ? { ...found, foreign: true } : found
  }

  return {
    status,

    async migrate({ lanes = DEFAULT_LANES, onProgress } = {}) {
      checkLanes(lanes)
      const before = await status()
      // What a newer version made is not ours to compare.
      const done = before.version > latest ? [] : migrations.filter(({ version }) => version <= before.version)
      const gaps = await findGaps(client, t, textsOf(done, t, lanes))
      if (before.pending.length === 0 && !before.foreign && gaps.objects.length + gaps.keys.length === 0) return before
      const mended = await clients.migration.session((session) => migrate(session, t, migrations, lanes, onProgress))
      const after = await status()
      return mended.length === 0 ? after : { ...after, mended }
    },

    print({ from = 0, lanes = DEFAULT_LANES, takeOver: byScript = false } = {}) {
      checkLanes(lanes)
      if (byScript) {
        throw new BroadcasterError(
          'INVALID_OPTION',
          'takeOver is true, but MySQL takes a table over in batches between triggers, which no script can do; run `broadcaster migrate`',
          { field: 'takeOver', value: true },
        )
      }
      const steps = migrations.filter(({ version }) => version > from)
      // MySQL writes the client's character set into each literal of a default, and some clients have another one.
      const before = steps.length > 0 ? 'SET NAMES utf8mb4;\n\n' : ''
      return (
        before +
        steps
          .map((step) => `-- ${step.version} ${step.name}\n${statementsOf(step, t, lanes).map(printed).join('\n')}`)
          .join('\n')
      )
    },

    inspect: inspect(client, t),
    capture: capture(client, t),

    async check() {
      const applied = await read()
      const found = statusOf(applied, migrations, latest)
      if (found.pending.length > 0 && (await isForeign(client, t))) {
        throw new BroadcasterError(
          'SCHEMA_OUTDATED',
          `${t.events.text} is there, but not taken over, or not to the end; run \`broadcaster migrate\``,
        )
      }
      if (found.version > 0 && found.lanes === null) {
        throw new BroadcasterError(
          'SCHEMA_OUTDATED',
          `parts of ${t.events.text} were dropped; run \`broadcaster migrate\`, which makes them again`,
        )
      }
      if (found.version === 0) {
        throw new BroadcasterError('SCHEMA_MISSING', `there is no ${t.events.text}; run \`broadcaster migrate\``)
      }
      const unknown = applied.steps.find((step) => step.breaking && step.version > latest)
      if (unknown) {
        throw new BroadcasterError(
          'SCHEMA_TOO_NEW',
          `${t.events.text} is at version ${found.version}, and this version of ts-broadcaster knows ${latest}; upgrade it`,
        )
      }
      if (found.pending.length > 0) {
        throw new BroadcasterError(
          'SCHEMA_OUTDATED',
          `${t.events.text} is at version ${found.version} and should be at ${latest}; run \`broadcaster migrate\``,
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
  return { version, latest, lanes: version === 0 ? null : lanes, pending }
}

/**
 * Several processes may migrate at once: one at a time, by a lock of the session; the second then finds nothing to do.
 * DDL commits by itself, so a step that stopped in the middle has made a part of its tables: it is run again, each
 * statement of it does nothing where it was done, and the number of lanes is the one it began with.
 */
async function migrate(
  session: Runs,
  t: Tables,
  migrations: readonly Migration[],
  lanes: number,
  onProgress?: (message: string) => void,
): Promise<readonly string[]> {
  const lock = sql`CONCAT('broadcaster ', MD5(CONCAT(COALESCE(DATABASE(), ''), ' ', ${t.events.text})))`
  await session.run(SETTINGS)
  await refuseWideDatabase(session)
  const [taken] = await session.query(sql`SELECT GET_LOCK(${lock}, ${PATIENCE}) AS taken`)
  if (Number(taken?.['taken']) !== 1) {
    throw new BroadcasterError('STORE_BUSY', `another process has been migrating ${t.events.text} for an hour`)
  }
  try {
    if (await isForeign(session, t)) {
      const begunWith = (await readLanes(session, t)) ?? lanes
      const record = async (): Promise<void> => {
        for (const text of statementsOf(createOutbox, t, begunWith)) await session.run(new Sql(text))
      }
      await takeOver(session, t, begunWith, record, onProgress && { onProgress })
    }
    const done = await readSteps(session, t)
    const from = Math.max(0, ...done.map((step) => step.version))
    const begunWith = (await readLanes(session, t)) ?? (await lanesLeft(session, t)) ?? lanes
    const latest = migrations.at(-1)?.version ?? 0
    const before = from > latest ? [] : migrations.filter(({ version }) => version <= from)
    const mended = await mend(session, t, textsOf(before, t, begunWith))
    for (const step of migrations.filter(({ version }) => version > from)) {
      for (const text of statementsOf(step, t, begunWith)) await session.run(new Sql(text))
    }
    return mended
  } finally {
    await session.query(sql`SELECT RELEASE_LOCK(${lock}) AS released`)
  }
}

function textsOf(steps: readonly Migration[], t: Tables, lanes: number): readonly string[] {
  return steps.flatMap((step) => statementsOf(step, t, lanes))
}

/** Stored programs have the character set of their database: in one that is no superset of ASCII they mix it with others. */
async function refuseWideDatabase(session: Runs): Promise<void> {
  const [row] = await session.query(sql`SELECT @@character_set_database AS charset`)
  const charset = String(row?.['charset'])
  if (!/^(ucs2|utf16|utf16le|utf32)$/.test(charset)) return
  throw new BroadcasterError(
    'INVALID_OPTION',
    `the database has the character set ${charset}, in which no outbox can be; give the outbox a database of utf8mb4 (ALTER DATABASE ... CHARACTER SET utf8mb4)`,
    { field: 'database', value: charset },
  )
}

function statementsOf(step: Migration, t: Tables, lanes: number): readonly string[] {
  return [
    `CREATE TABLE IF NOT EXISTS ${t.migrations.text} (
  version int NOT NULL PRIMARY KEY,
  name varchar(100) NOT NULL,
  breaking tinyint NOT NULL,
  applied_at datetime(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6))
) ENGINE = InnoDB`,
    ...step.statements(t, lanes),
    `INSERT INTO ${t.migrations.text} (version, name, breaking) VALUES (${step.version}, '${step.name}', ${step.breaking ? 1 : 0})
ON DUPLICATE KEY UPDATE version = version`,
  ]
}

/** A statement as the command-line client takes it, which ends one at each semicolon unless told another sign. */
function printed(text: string): string {
  return text.includes(';') ? `DELIMITER //\n${text}\n//\nDELIMITER ;\n` : `${text};\n`
}

async function readSteps(runs: Runs, t: Tables): Promise<readonly Applied[]> {
  const rows = await orNone(runs.query(sql`SELECT version, breaking FROM ${t.migrations} ORDER BY version`))
  return rows.map((row) => ({ version: Number(row['version']), breaking: Number(row['breaking']) === 1 }))
}

async function readLanes(runs: Runs, t: Tables): Promise<number | null> {
  const [row] = await orNone(runs.query(sql`SELECT lanes FROM ${t.settings}`))
  return row === undefined ? null : Number(row['lanes'])
}

/** No rows where there is no table. */
async function orNone(rows: Promise<readonly RawRow[]>): Promise<readonly RawRow[]> {
  try {
    return await rows
  } catch (error) {
    if (error instanceof BroadcasterError && errorNumber(error.cause) === NO_SUCH_TABLE) return []
    throw error
  }
}

function checkLanes(lanes: number): void {
  if (Number.isInteger(lanes) && lanes >= 1 && lanes <= MOST_LANES) return
  throw new BroadcasterError('INVALID_OPTION', `lanes is ${lanes}; give a whole number from 1 to ${MOST_LANES}`, {
    field: 'lanes',
    value: lanes,
  })
}
