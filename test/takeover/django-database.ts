import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Pool } from 'pg'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { DJANGO_COLUMNS, type DjangoRow } from './django-rows.ts'

/** A database with the table of a Django app, as that app sees it, and our store on it. Removes itself. */
export interface DjangoDatabase {
  readonly store: Store
  /** What Django's `save()` of a new object does, each in a transaction of its own. */
  insert(...rows: readonly DjangoRow[]): Promise<void>
  /** What `OutboxEvent.objects.all()` reads: the columns that Django knows, by name, with instants in one form. */
  rows(): Promise<readonly DjangoRow[]>
  /** Runs a statement. */
  run(sql: string): Promise<void>
  close(): Promise<void>
}

/** The DDL that Django makes. */
export function djangoDdl(database: 'postgres' | 'sqlite' | 'mariadb'): string {
  return readFileSync(new URL(`./django.${database}.sql`, import.meta.url), 'utf8')
}

/** A schema of one test in PostgreSQL, through connections whose search path leads there, as a Django app has them. */
export interface PostgresDjango extends DjangoDatabase {
  readonly pool: Pool
  readonly schema: string
}

export async function postgresDjango(url: string): Promise<PostgresDjango> {
  const schema = `takeover_${randomBytes(6).toString('hex')}`
  const pool = new Pool({ connectionString: url, max: 6, options: `-c search_path=${schema}` })
  await pool.query(`CREATE SCHEMA ${schema}`)
  await pool.query(djangoDdl('postgres'))
  const store = postgres({ pool, schema, listen: false }) as Store
  const placeholders = DJANGO_COLUMNS.map((_, n) => `$${n + 1}`).join(', ')
  const insert = `INSERT INTO "outbox_events" (${quoted('"')}) VALUES (${placeholders})`
  const instants = new Set(['created_at', 'updated_at', 'scheduled_at', 'published_at'])
  const read = DJANGO_COLUMNS.map((name) => {
    if (!instants.has(name)) return name.startsWith('retry') || name.startsWith('max') ? name : `${name}::text`
    return `to_char(${name} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ${name}`
  }).join(', ')
  return {
    store,
    pool,
    schema,
    async insert(...rows) {
      for (const row of rows) await pool.query(insert, [...DJANGO_COLUMNS.map((name) => row[name])])
    },
    async rows() {
      return (await pool.query<DjangoRow>(`SELECT ${read} FROM outbox_events ORDER BY id`)).rows
    },
    async run(sql) {
      await pool.query(sql)
    },
    async close() {
      await store.close()
      await pool.query(`DROP SCHEMA ${schema} CASCADE`)
      await pool.end()
    },
  }
}

export function quoted(quote: string): string {
  return DJANGO_COLUMNS.map((name) => `${quote}${name}${quote}`).join(', ')
}
