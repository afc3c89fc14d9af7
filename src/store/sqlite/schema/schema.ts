import type { DatabaseSync } from 'node:sqlite'
import { type FoundSchema, requireKnown, stepsThere, versionOf } from '../../schema-status.ts'
import { schemaStore } from '../../schema-store.ts'
import type { SchemaStore } from '../../store.ts'
import { capture } from '../capture.ts'
import type { Connection } from '../connection.ts'
import type { Database } from '../database.ts'
import { inspect } from '../inspect.ts'
import { sizes } from '../sizes.ts'
import type { Tables } from '../tables.ts'
import { NOW } from '../values.ts'
import { drift, hasLostRecords, lanesLeft, mend } from './mend.ts'
import type { Migration } from './migration.ts'
import { outbox } from './migrations/0001-outbox.ts'
import { inbox } from './migrations/0002-inbox.ts'
import { rowsByOthers } from './migrations/0003-rows-by-others.ts'
import { operatorMoves } from './migrations/0004-operator-moves.ts'
import { destinations } from './migrations/0005-destinations.ts'
import { operators } from './migrations/0006-operators.ts'
import { undo } from './migrations/0007-undo.ts'
import { history } from './migrations/0008-history.ts'
import { rates } from './migrations/0009-rates.ts'
import { duties } from './migrations/0010-duties.ts'
import { causes } from './migrations/0011-causes.ts'
import { isForeign, printTakeOver, takeOver } from './take-over.ts'

const MIGRATIONS: readonly Migration[] = [
  outbox,
  inbox,
  rowsByOthers,
  operatorMoves,
  destinations,
  operators,
  undo,
  history,
  rates,
  duties,
  causes,
]

/** Migrations of an outbox in SQLite. */
export function sqliteSchema(database: Database, t: Tables): SchemaStore {
  const look = inspect(t)
  const write = capture(t)
  const measure = sizes(t)
  return schemaStore({
    table: t.events,
    steps: MIGRATIONS,
    read: () => database.read((db) => read(db, t)),
    async migrate(lanes, onProgress) {
      const mended: string[] = []
      const { DatabaseSync } = await import('node:sqlite')
      for (let isDone = false; !isDone; ) {
        isDone = await database.write((db) => {
          mended.push(...mendSteps(db, t, lanes, () => new DatabaseSync(':memory:')))
          return !applyNext(db, t, lanes, onProgress)
        })
      }
      return mended
    },
    script: (step, lanes) => `BEGIN IMMEDIATE;${scriptOf(step, t, lanes)}COMMIT;\n`,
    takeOverScript: (lanes) => printTakeOver(t, scriptOf(outbox, t, lanes)),
    inspect: () => database.read(look),
    capture: (options) => database.read((db) => write(db, options)),
    sizes: () => database.read(measure),
    async drift() {
      const { DatabaseSync } = await import('node:sqlite')
      return database.read((db) => {
        const found = read(db, t)
        const lanes = found.lanes ?? lanesLeft(db, t)
        const steps = stepsThere(found, MIGRATIONS)
        if (steps.length === 0 || lanes === undefined) return []
        return drift(db, steps.map((step) => scriptOf(step, t, lanes)).join(''), new DatabaseSync(':memory:'))
      })
    },
  })
}

/** Makes again what was dropped, since the next step builds on it. Returns what was made. */
function mendSteps(db: Connection, t: Tables, lanes: number, memory: () => DatabaseSync): readonly string[] {
  const found = read(db, t)
  requireKnown(found, MIGRATIONS, t.events.slice(1, -1))
  const steps = stepsThere(found, MIGRATIONS)
  if (steps.length === 0) return []
  const known = lanesLeft(db, t) ?? lanes
  return mend(db, t, steps.map((step) => scriptOf(step, t, known)).join(''), memory())
}

/** Applies the first missing step; false = none is missing. */
function applyNext(db: Connection, t: Tables, lanes: number, onProgress?: (message: string) => void): boolean {
  const found = read(db, t)
  const next = MIGRATIONS.find((step) => step.version > versionOf(found))
  if (!next) return false
  const apply = (): void => db.exec(scriptOf(next, t, found.lanes ?? lanes))
  if (found.foreign) {
    onProgress?.('copy the table that Django made')
    takeOver(db, t, apply)
  } else apply()
  return true
}

function scriptOf(step: Migration, t: Tables, lanes: number): string {
  return `${step.sql(t, lanes)}INSERT INTO ${t.migrations} (version, name, breaking, applied_at)
VALUES (${step.version}, '${step.name}', ${step.breaking ? 1 : 0}, ${NOW});
`
}

function read(db: Connection, t: Tables): FoundSchema {
  const has = (table: string): boolean =>
    db.get("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", table.slice(1, -1)) !== undefined
  if (!has(t.migrations)) {
    const lost = hasLostRecords(db, t)
    return { steps: [], lanes: null, foreign: !lost && isForeign(db, t), lost }
  }
  const steps = db
    .all(`SELECT version, breaking FROM ${t.migrations}`)
    .map((row) => ({ version: Number(row['version']), breaking: Boolean(row['breaking']) }))
  const settings = has(t.settings) ? db.get(`SELECT lanes FROM ${t.settings}`) : undefined
  return { steps, lanes: settings?.['lanes'] == null ? null : Number(settings['lanes']), foreign: false, lost: false }
}
