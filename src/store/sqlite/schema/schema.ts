import { BroadcasterError } from '../../../errors.ts'
import type { MigrationStatus, SchemaStore } from '../../store.ts'
import { capture } from '../capture.ts'
import type { Connection } from '../connection.ts'
import type { Database } from '../database.ts'
import { inspect } from '../inspect.ts'
import type { Tables } from '../tables.ts'
import { NOW } from '../values.ts'
import { hasLostRecords, lanesLeft, mend } from './mend.ts'
import type { Migration } from './migration.ts'
import { outbox } from './migrations/0001-outbox.ts'
import { inbox } from './migrations/0002-inbox.ts'
import { rowsByOthers } from './migrations/0003-rows-by-others.ts'
import { operatorMoves } from './migrations/0004-operator-moves.ts'
import { destinations } from './migrations/0005-destinations.ts'
import { isForeign, printTakeOver, takeOver } from './take-over.ts'

const MIGRATIONS: readonly Migration[] = [outbox, inbox, rowsByOthers, operatorMoves, destinations]
const LATEST = MIGRATIONS.at(-1)?.version ?? 0
const DEFAULT_LANES = 64

interface Applied {
  readonly version: number
  readonly lanes: number | null
  /** The database has a step that this code does not know and cannot work with. */
  readonly tooNew: boolean
  /** The events table is there, and not ours. */
  readonly foreign: boolean
  /** There are parts of an outbox, and the record of its steps is not, or not whole. */
  readonly lost: boolean
}

/** Migrations of an outbox in SQLite. */
export function sqliteSchema(database: Database, t: Tables): SchemaStore {
  const tableSql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?"
  const versionSql = `
    SELECT max(version) AS version, max(CASE WHEN breaking THEN version END) AS breaking FROM ${t.migrations}`

  const applied = (db: Connection): Applied => {
    if (!db.get(tableSql, t.migrations.slice(1, -1))) {
      const lost = hasLostRecords(db, t)
      return { version: 0, lanes: null, tooNew: false, foreign: !lost && isForeign(db, t), lost }
    }
    const row = db.get(versionSql)
    const version = Number(row?.['version'] ?? 0)
    const settings = db.get(tableSql, t.settings.slice(1, -1)) && db.get(`SELECT lanes FROM ${t.settings}`)
    return {
      version,
      lanes: settings?.['lanes'] == null ? null : Number(settings['lanes']),
      tooNew: Number(row?.['breaking'] ?? 0) > LATEST,
      foreign: false,
      lost: version > 0 && settings === undefined,
    }
  }
  const statusOf = ({ version, lanes, foreign }: Applied): MigrationStatus => ({
    version,
    latest: LATEST,
    lanes,
    ...(foreign && { foreign }),
    pending: MIGRATIONS.filter((step) => step.version > version).map(({ version, name, breaking }) => ({
      version,
      name,
      breaking,
    })),
  })
  const stepSql = (step: Migration, lanes: number): string =>
    `${step.sql(t, lanes)}INSERT INTO ${t.migrations} (version, name, breaking, applied_at)
VALUES (${step.version}, '${step.name}', ${step.breaking ? 1 : 0}, ${NOW});
`

  const look = inspect(t)
  const write = capture(t)
  return {
    status: () => database.read((db) => statusOf(applied(db))),

    async migrate(options = {}) {
      const lanes = checkedLanes(options.lanes)
      const mended: string[] = []
      const { DatabaseSync } = await import('node:sqlite')
      for (;;) {
        const after = await database.write((db) => {
          const found = applied(db)
          if (found.tooNew) throw tooNew(found)
          // A step knows nothing of what somebody dropped meanwhile: what it builds on must be there first. What a newer
          // version made is not ours to replace.
          const version = found.lost && found.version === 0 ? LATEST : found.version
          const steps = version > LATEST ? [] : MIGRATIONS.filter((step) => step.version <= version)
          const known = lanesLeft(db, t) ?? lanes
          const script = steps.map((step) => stepSql(step, known)).join('')
          if (steps.length > 0) mended.push(...mend(db, t, script, new DatabaseSync(':memory:')))
          const before = applied(db)
          const next = MIGRATIONS.find((step) => step.version > before.version)
          if (!next) return before
          const apply = (): void => db.exec(stepSql(next, before.lanes ?? lanes))
          if (before.foreign) {
            options.onProgress?.('copy the table that Django made')
            takeOver(db, t, apply)
          } else apply()
          return undefined
        })
        if (after) return mended.length === 0 ? statusOf(after) : { ...statusOf(after), mended }
      }
    },

    print(options = {}) {
      const lanes = checkedLanes(options.lanes)
      const scripts = MIGRATIONS.filter((step) => step.version > (options.takeOver ? 1 : (options.from ?? 0))).map(
        (step) => `-- ${step.version}: ${step.name}\nBEGIN IMMEDIATE;${stepSql(step, lanes)}COMMIT;\n`,
      )
      return [...(options.takeOver ? [printTakeOver(t, stepSql(outbox, lanes))] : []), ...scripts].join('\n')
    },

    inspect: () => database.read(look),
    capture: (options) => database.read((db) => write(db, options)),

    async check() {
      const found = await database.read(applied)
      if (found.tooNew) throw tooNew(found)
      if (found.foreign) {
        throw new BroadcasterError(
          'SCHEMA_OUTDATED',
          `${t.events} is there, but not taken over; run \`broadcaster migrate\``,
        )
      }
      if (found.lost) {
        throw new BroadcasterError(
          'SCHEMA_OUTDATED',
          `parts of ${t.events} were dropped; run \`broadcaster migrate\`, which makes them again`,
        )
      }
      if (found.version === 0) {
        throw new BroadcasterError(
          'SCHEMA_MISSING',
          `there is no outbox (table ${t.events}) in this database; run \`broadcaster migrate\` or \`await store.schema.migrate()\``,
        )
      }
      if (found.version < LATEST) {
        throw new BroadcasterError(
          'SCHEMA_OUTDATED',
          `the outbox has schema version ${found.version} and this package needs ${LATEST}; run \`broadcaster migrate\``,
          { value: found.version },
        )
      }
      return statusOf(found)
    },
  }
}

function tooNew({ version }: Applied): BroadcasterError {
  return new BroadcasterError(
    'SCHEMA_TOO_NEW',
    `the outbox has schema version ${version}, with a breaking change that this package (up to version ${LATEST}) does not know; upgrade ts-broadcaster`,
    { value: version },
  )
}

function checkedLanes(lanes: number = DEFAULT_LANES): number {
  if (Number.isInteger(lanes) && lanes >= 1 && lanes <= 1_024) return lanes
  throw new BroadcasterError('INVALID_OPTION', `lanes is ${lanes}; give a whole number from 1 to 1024`, {
    field: 'lanes',
    value: lanes,
  })
}
