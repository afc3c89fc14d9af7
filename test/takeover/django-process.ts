import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { createPool } from 'mysql2/promise'
import { Pool } from 'pg'
import { hexAndPlain, quoted } from './django-database.ts'
import { DJANGO_COLUMNS, djangoRow } from './django-rows.ts'

/*
 * An application that goes on inserting the way Django does, whatever happens to the table: every column of its own,
 * none of ours, a few rows a transaction. Sends `Pulse` messages and ends when it has inserted all rows, the last tenth
 * of them after it was told, by a message, that the take-over has ended.
 */

export interface DjangoTask {
  readonly database: 'postgres' | 'sqlite' | 'mysql'
  /** A connection string, or a path. */
  readonly place: string
  readonly schema?: string
  readonly rows: number
  /** Transactions at once. */
  readonly writers: number
  /** Between two transactions of a writer, in milliseconds. */
  readonly pause: number
}

/** How it goes: rows committed, and the longest that a transaction took since the last pulse, in milliseconds. */
export interface Pulse {
  readonly inserted: number
  readonly longest: number
  /** When it was sent, in milliseconds since 1970: whoever listens may have been too busy to hear it at once. */
  readonly at: number
}

const ROWS_AT_ONCE = 5

interface Writer {
  insert(): Promise<void>
  close(): Promise<void>
}

/** One row's values, in the order of the columns; created now. */
function values(plain: boolean): readonly (string | number | null)[] {
  const now = new Date(Date.now() - 1).toISOString()
  const row = djangoRow({ created_at: now, updated_at: now, scheduled_at: now, data: '{"from": "django"}' })
  return DJANGO_COLUMNS.map((name) => (plain ? hexAndPlain(name, row[name]) : row[name]))
}

function postgresWriter({ place, schema, writers }: DjangoTask): Writer {
  const pool = new Pool({ connectionString: place, max: writers, options: `-c search_path=${schema}` })
  const text = `INSERT INTO "outbox_events" (${quoted('"')}) VALUES (${DJANGO_COLUMNS.map((_, n) => `$${n + 1}`)})`
  return {
    async insert() {
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        for (let n = 0; n < ROWS_AT_ONCE; n++) await client.query(text, [...values(false)])
        await client.query('COMMIT')
      } finally {
        client.release()
      }
    },
    close: () => pool.end(),
  }
}

function mysqlWriter({ place, writers }: DjangoTask): Writer {
  const pool = createPool({ uri: place, connectionLimit: writers })
  const text = `INSERT INTO \`outbox_events\` (${quoted('`')}) VALUES (${DJANGO_COLUMNS.map(() => '?')})`
  return {
    async insert() {
      const connection = await pool.getConnection()
      try {
        await connection.beginTransaction()
        for (let n = 0; n < ROWS_AT_ONCE; n++) await connection.query(text, [...values(true)])
        await connection.commit()
      } finally {
        connection.release()
      }
    },
    close: () => pool.end(),
  }
}

const WRITERS = { postgres: postgresWriter, mysql: mysqlWriter, sqlite: sqliteWriter }

function sqliteWriter({ place }: DjangoTask): Writer {
  // Django's default is 5 s, which a busy machine can exceed; docs/from-django.md says to raise it, as here.
  const database = new DatabaseSync(place, { timeout: 30_000 })
  const text = `INSERT INTO "outbox_events" (${quoted('"')}) VALUES (${DJANGO_COLUMNS.map(() => '?')})`
  return {
    async insert() {
      database.exec('BEGIN IMMEDIATE')
      const statement = database.prepare(text)
      for (let n = 0; n < ROWS_AT_ONCE; n++) statement.run(...values(true))
      database.exec('COMMIT')
    },
    async close() {
      database.close()
    },
  }
}

async function main(task: DjangoTask): Promise<void> {
  const writer = WRITERS[task.database](task)
  let begun = 0
  let inserted = 0
  let longest = 0
  const tell = (): void => {
    process.send?.({ inserted, longest, at: Date.now() } satisfies Pulse)
    longest = 0
  }
  const timer = setInterval(tell, 50)
  let taken = false
  process.once('message', () => (taken = true))
  await Promise.all(
    Array.from({ length: task.writers }, async () => {
      while (begun < task.rows) {
        if (!taken && begun >= task.rows * 0.9) {
          await pause(10)
          continue
        }
        begun += ROWS_AT_ONCE
        const start = performance.now()
        await writer.insert()
        longest = Math.max(longest, performance.now() - start)
        inserted += ROWS_AT_ONCE
        await pause(task.pause)
      }
    }),
  )
  clearInterval(timer)
  tell()
  await writer.close()
  process.disconnect?.()
}

if (process.argv[2] !== undefined) await main(JSON.parse(process.argv[2]) as DjangoTask)
