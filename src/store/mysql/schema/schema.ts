import { BroadcasterError } from '../../../errors.ts'
import { type FoundSchema, statusOf, stepsThere, versionOf } from '../../schema-status.ts'
import { schemaStore } from '../../schema-store.ts'
import type { SchemaStore } from '../../store.ts'
import { capture } from '../capture.ts'
import type { Clients, RawRow, Runs } from '../client.ts'
import { inspect } from '../inspect.ts'
import { sizes } from '../sizes.ts'
import { Sql, sql } from '../sql.ts'
import { serverCode } from '../store-error.ts'
import type { Tables } from '../tables.ts'
import { findGaps, lanesLeft, mend, wordsFor } from './mend.ts'
import type { Migration } from './migration.ts'
import { createOutbox } from './migrations/0001-create-outbox.ts'
import { MIGRATIONS } from './migrations.ts'
import { isForeign, takeOver } from './takeover/take-over.ts'

/** How long one process waits for another's migration, in seconds: a large table takes long. */
const PATIENCE = 3_600
const NO_SUCH_TABLE = 1146

/**
 * Session settings that the steps depend on: lock waits of at most 10 s, since all who come later wait behind them; no
 * limit on the time of a step. `sql_mode` may be ORACLE, which is another language.
 */
const SETTINGS = sql`SET SESSION lock_wait_timeout = 10, SESSION innodb_lock_wait_timeout = 10, SESSION sql_safe_updates = 0,
  SESSION sql_select_limit = DEFAULT, SESSION sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'
  /*M! , SESSION max_statement_time = 0 */`

/** Migrations on MySQL and MariaDB. `migrations` are those this package knows. */
export function schema(
  clients: Pick<Clients, 'operator' | 'check' | 'migration'>,
  t: Tables,
  migrations: readonly Migration[] = MIGRATIONS,
): SchemaStore {
  const { operator } = clients
  return schemaStore({
    table: t.events.text,
    steps: migrations,
    read: (use) => read(clients[use], t),
    async migrate(lanes, onProgress) {
      const before = await read(operator, t)
      const { version, latest } = statusOf(before, migrations)
      const gaps = await findGaps(operator, t, textsOf(stepsThere(before, migrations), t, lanes))
      if (version >= latest && !before.foreign && gaps.objects.length + gaps.keys.length === 0) return []
      return clients.migration.session((session) => migrate(session, t, migrations, lanes, onProgress))
    },
    // MySQL stores the client's character set with each literal in a default, and some clients use another one.
    beforeScripts: 'SET NAMES utf8mb4;\n\n',
    script: (step, lanes) => statementsOf(step, t, lanes).map(printed).join('\n'),
    takeOverScript() {
      throw new BroadcasterError(
        'INVALID_OPTION',
        'takeOver is true, but MySQL takes a table over in batches between triggers, which no script can do; run `broadcaster migrate`',
        { field: 'takeOver', value: true },
      )
    },
    inspect: inspect(operator, t),
    capture: capture(operator, t),
    sizes: sizes(operator, t),
    async drift() {
      const found = await read(operator, t)
      return wordsFor(await findGaps(operator, t, textsOf(stepsThere(found, migrations), t, found.lanes ?? 1)))
    },
  })
}

async function read(runs: Runs, t: Tables): Promise<FoundSchema> {
  return {
    steps: await readSteps(runs, t),
    lanes: await readLanes(runs, t),
    foreign: await isForeign(runs, t),
    lost: false,
  }
}

/**
 * When several processes migrate, a session lock lets them do so one at a time; the second then finds nothing to do.
 * DDL commits by itself, so a step that stopped in the middle has made some of its tables: it is run again, each
 * statement does nothing where it was done before, and the number of lanes is the one that it began with.
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
    const from = versionOf({ steps: done })
    const begunWith = (await readLanes(session, t)) ?? (await lanesLeft(session, t)) ?? lanes
    const mended = await mend(session, t, textsOf(stepsThere({ steps: done, lost: false }, migrations), t, begunWith))
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

/** Stored programs use their database's character set: one that is no superset of ASCII would not work. */
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

/** A statement for the command-line client, which ends one at each semicolon unless given another delimiter. */
function printed(text: string): string {
  return text.includes(';') ? `DELIMITER //\n${text}\n//\nDELIMITER ;\n` : `${text};\n`
}

async function readSteps(runs: Runs, t: Tables): Promise<FoundSchema['steps']> {
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
    if (serverCode(error) === NO_SUCH_TABLE) return []
    throw error
  }
}
