import { BroadcasterError } from '../../../../errors.ts'
import { patiently, type TakeOverOptions } from '../../../patient-lock.ts'
import type { Runs } from '../../client.ts'
import { Sql, sql } from '../../sql.ts'
import type { Tables } from '../../tables.ts'
import { UUID_V7 } from '../columns.ts'
import { createOutbox } from '../migrations/0001-create-outbox.ts'
import { copyBatch, triggerStatements } from './copy.ts'
import { namesOf, type OldId, oldIdOf, type TakeOverNames } from './names.ts'
import { recognise } from './recognise.ts'

interface Step {
  /** For people. */
  readonly name: string
  run(session: Runs): Promise<void>
}

/** Whether there is an events table that is not ours, or a take-over was interrupted. */
export async function isForeign(runs: Runs, t: Tables): Promise<boolean> {
  const { database, table, asideTable } = namesOf(t)
  const migrations = t.migrations.text.split('.').at(-1)?.slice(1, -1) ?? ''
  const rows = await runs.query(sql`
SELECT table_name AS name FROM information_schema.tables
WHERE table_schema = ${database} AND table_name IN (${[table, asideTable, `${table}_taking`, migrations]})`)
  const there = new Set(rows.map((row) => String(row['name'])))
  if (there.has(`${table}_taking`)) return true
  if (!there.has(table) || there.has(migrations)) return false
  // A table of ours whose record was dropped: only ours has these.
  const [ours] = await runs.query(sql`
SELECT column_name AS name FROM information_schema.columns
WHERE table_schema = ${database} AND table_name = ${table} AND column_name = 'stage'`)
  return ours === undefined
}

/**
 * Takes over a table that Django made: makes ours beside it, has triggers write there what is written to Django's,
 * copies the old rows in batches, and swaps the two in one statement. In place no server could do it without keeping
 * writers out: an AUTO_INCREMENT column and stored columns rewrite the table under a lock
 * (docs/decisions/0018-take-over.md).
 *
 * Runs on the session that holds the migration lock; `record` records step 1. After an interruption it goes on where it
 * stopped. Throws `TAKEOVER_REFUSED` before anything is changed, and `STORE_BUSY`.
 */
export async function takeOver(
  session: Runs,
  t: Tables,
  lanes: number,
  record: () => Promise<void>,
  options: TakeOverOptions = {},
): Promise<void> {
  const names = namesOf(t)
  const { lockWait = 1_000, lockPause = 2_000, patience = 300_000 } = options
  const say = options.onProgress ?? (() => undefined)
  if ((await stepsDone(session, names)) === 0) await recognise(session, t)
  const id = await oldIdOf(session, names)
  const steps: readonly Step[] = [
    { name: 'make the tables beside it', run: () => prepare(session, t, names, id, lanes) },
    {
      name: 'let triggers write into our table too',
      async run() {
        for (const statement of triggerStatements(t, names, id)) await session.run(statement)
      },
    },
    {
      name: 'copy the old rows',
      async run() {
        for (let total = 0, more = true; more; ) {
          const copied = await copyBatch(session, t, names, id)
          more = copied.more
          total += copied.rows
          if (more) say(`${total} rows so far`)
        }
      },
    },
    { name: 'compare the two', run: () => compare(session, t, names, id) },
    { name: 'swap the two tables', run: () => swap(session, t, names) },
    { name: 'finish', run: record },
  ]
  // The server counts in seconds.
  const wait = Math.ceil(lockWait / 1_000)
  await session.run(sql`SET SESSION lock_wait_timeout = ${wait}, SESSION innodb_lock_wait_timeout = ${wait}`)
  try {
    for (let n = await stepsDone(session, names); n < steps.length; n++) {
      const step = steps[n]
      if (step === undefined) break
      say(step.name)
      await inTurn(session, step, lockPause, patience)
      await session.run(sql`UPDATE ${names.state} SET done = ${n + 1}`)
    }
    await session.run(sql`DROP TABLE IF EXISTS ${names.aside}`)
    await session.run(sql`DROP TABLE ${names.state}`)
  } finally {
    await session.run(sql`SET SESSION lock_wait_timeout = 10, SESSION innodb_lock_wait_timeout = 10`)
  }
}

/** Runs a step, which gives up its lock wait soon, until it succeeds. */
async function inTurn(session: Runs, step: Step, lockPause: number, patience: number): Promise<void> {
  const attempt = async (): Promise<void> => {
    try {
      await step.run(session)
    } catch (error) {
      await session.run(sql`ROLLBACK`)
      throw error
    }
  }
  await patiently(
    attempt,
    lockPause,
    patience,
    async () =>
      `the table could not be locked for ${patience / 1000} s; look for long transactions (SHOW PROCESSLIST) and run \`broadcaster migrate\` again: it goes on where it stopped`,
  )
}

async function stepsDone(session: Runs, { database, table, state }: TakeOverNames): Promise<number> {
  const [found] = await session.query(sql`
SELECT 1 AS found FROM information_schema.tables WHERE table_schema = ${database} AND table_name = ${`${table}_taking`}`)
  if (!found) return 0
  const [row] = await session.query(sql`SELECT done FROM ${state}`)
  return Number(row?.['done'] ?? 0)
}

/** Makes our table, empty, under another name, with Django's indexes; new rows are numbered above old ones. */
async function prepare(session: Runs, t: Tables, names: TakeOverNames, id: OldId, lanes: number): Promise<void> {
  const { state, next, database, table } = names
  for (const text of createOutbox.statements({ ...t, events: next }, lanes)) await session.run(new Sql(text))
  if (id.isUuid) await session.run(sql`ALTER TABLE ${next} MODIFY id uuid NOT NULL DEFAULT ${new Sql(UUID_V7)}`)
  await session.run(sql`CREATE TABLE IF NOT EXISTS ${state} (
  single tinyint NOT NULL PRIMARY KEY,
  done int NOT NULL,
  first bigint NOT NULL,
  last bigint NOT NULL DEFAULT 0,
  created_at datetime(6) NOT NULL DEFAULT '1000-01-01 00:00:00',
  id char(36) NOT NULL DEFAULT ''
) ENGINE = InnoDB`)
  // Counted separately: INSERT ... SELECT locks what it reads, and inserting applications lost the deadlock.
  const [counted] = await session.query(sql`SELECT COUNT(*) AS count FROM ${t.events}`)
  await session.run(sql`INSERT INTO ${state} (single, done, first)
VALUES (1, 0, ${2 * Number(counted?.['count']) + 1_000_000}) ON DUPLICATE KEY UPDATE single = 1`)
  const [row] = await session.query(sql`SELECT first FROM ${state}`)
  await session.run(sql`ALTER TABLE ${next} AUTO_INCREMENT = ${Number(row?.['first'])}`)
  const indexes = await session.query(sql`
SELECT index_name AS name, MIN(non_unique) AS many,
  GROUP_CONCAT(CONCAT('\`', column_name, '\`') ORDER BY seq_in_index) AS columns
FROM information_schema.statistics AS s
WHERE table_schema = ${database} AND table_name = ${table} AND index_name <> 'PRIMARY'
  AND NOT EXISTS (SELECT 1 FROM information_schema.statistics AS n
    WHERE n.table_schema = s.table_schema AND n.table_name = ${`${table}_next`} AND n.index_name = s.index_name)
GROUP BY index_name`)
  for (const { name, many, columns } of indexes) {
    const kind = new Sql(Number(many) === 1 ? 'INDEX' : 'UNIQUE INDEX')
    await session.run(sql`ALTER TABLE ${next} ADD ${kind} ${new Sql(`\`${String(name)}\` (${String(columns)})`)}`)
  }
}

/** Checks that each row of Django's table is in ours: one statement, one snapshot. */
async function compare(session: Runs, t: Tables, { next }: TakeOverNames, id: OldId): Promise<void> {
  const [row] = await session.query(sql`
SELECT COUNT(*) AS missing FROM ${t.events} AS o LEFT JOIN ${next} AS n ON n.id = ${id.of('o')} WHERE n.id IS NULL`)
  const missing = Number(row?.['missing'])
  if (missing === 0) return
  throw new BroadcasterError(
    'TAKEOVER_REFUSED',
    `${missing} rows were not copied, which must not be; nothing was changed`,
  )
}

async function swap(session: Runs, t: Tables, names: TakeOverNames): Promise<void> {
  const { database, asideTable, aside, next } = names
  const [done] = await session.query(sql`
SELECT 1 AS found FROM information_schema.tables WHERE table_schema = ${database} AND table_name = ${asideTable}`)
  if (!done) await session.run(sql`RENAME TABLE ${t.events} TO ${aside}, ${next} TO ${t.events}`)
}
