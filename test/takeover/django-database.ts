import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createPool, type Pool as MysqlPool } from 'mysql2/promise'
import { Pool } from 'pg'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { servers } from '../support/servers.ts'
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
export function djangoDdl(database: 'postgres' | 'sqlite' | 'mariadb' | 'mysql'): string {
  return readFileSync(new URL(`./django.${database}.sql`, import.meta.url), 'utf8')
}

/** Instants and JSON as the database writes them. */
const AS_TEXT = { dateStrings: true, jsonStrings: true }

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

/** A SQLite file, and the connection of a Django app to it. */
export interface SqliteDjango extends DjangoDatabase {
  readonly path: string
  readonly django: DatabaseSync
}

export async function sqliteDjango(): Promise<SqliteDjango> {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-takeover-'))
  const path = join(folder, 'db.sqlite3')
  const django = new DatabaseSync(path, { timeout: 5_000 })
  django.exec(djangoDdl('sqlite'))
  const store = sqlite({ path }) as Store
  return {
    store,
    path,
    django,
    async insert(...rows) {
      const insert = django.prepare(
        `INSERT INTO "outbox_events" (${quoted('"')}) VALUES (${DJANGO_COLUMNS.map(() => '?').join(', ')})`,
      )
      for (const row of rows) insert.run(...DJANGO_COLUMNS.map((name) => hexAndPlain(name, row[name])))
    },
    async rows() {
      const rows = django.prepare(`SELECT ${quoted('"')} FROM outbox_events ORDER BY id`).all()
      return rows.map((row) => dashedAndIso(row as unknown as DjangoRow))
    },
    async run(sql) {
      django.exec(sql)
    },
    async close() {
      django.close()
      await store.close()
      rmSync(folder, { recursive: true })
    },
  }
}

/** What Django sends to databases without uuid and time zones: 32 digits; UTC with no zone, and no zero fraction. */
export function hexAndPlain<Value>(name: keyof DjangoRow, value: Value): Value | string {
  if (typeof value !== 'string') return value
  if (name === 'id') return value.replaceAll('-', '')
  if (!name.endsWith('_at')) return value
  const [, seconds = '', fraction = ''] = /^(.{19})(?:\.(\d+))?Z$/.exec(value.replace('T', ' ')) ?? []
  return Number(fraction) === 0 ? seconds : `${seconds}.${fraction.padEnd(6, '0')}`
}

/** The way back. */
export function dashedAndIso(row: DjangoRow): DjangoRow {
  const instant = (text: string | null): string | null => (text === null ? null : `${text.replace(' ', 'T')}Z`)
  return {
    ...row,
    id: row.id.replace(/^(\w{8})(\w{4})(\w{4})(\w{4})/, '$1-$2-$3-$4-'),
    created_at: instant(row.created_at) ?? '',
    updated_at: instant(row.updated_at) ?? '',
    scheduled_at: instant(row.scheduled_at) ?? '',
    published_at: instant(row.published_at),
  }
}

/** A database of one test on MariaDB or MySQL, and the connections of a Django app to it. */
export interface MysqlDjango extends DjangoDatabase {
  readonly pool: MysqlPool
  readonly url: string
}

/** `id`: what Django 4.2 makes of it, or Django 5 on MariaDB 10.7 and newer. */
export async function mysqlDjango(
  name: 'mariadb' | 'mysql',
  id: 'char(32)' | 'uuid' = 'char(32)',
): Promise<MysqlDjango> {
  const server = servers[name]()?.url ?? ''
  const database = `takeover_${randomBytes(6).toString('hex')}`
  const root = createPool({ uri: server, connectionLimit: 1 })
  await root.query(`CREATE DATABASE ${database} CHARACTER SET utf8mb4`)
  const url = new URL(server)
  url.pathname = `/${database}`
  const pool = createPool({ uri: url.href, connectionLimit: 6, ...AS_TEXT, multipleStatements: true })
  await pool.query(djangoDdl(name).replace('`id` char(32)', `\`id\` ${id}`))
  const store = mysql({ pool }) as Store
  const insert = `INSERT INTO \`outbox_events\` (${quoted('`')}) VALUES (${DJANGO_COLUMNS.map(() => '?').join(', ')})`
  return {
    store,
    pool,
    url: url.href,
    async insert(...rows) {
      for (const row of rows) await pool.query(insert, [...DJANGO_COLUMNS.map((name) => hexAndPlain(name, row[name]))])
    },
    async rows() {
      const [rows] = await pool.query(`SELECT ${quoted('`')} FROM outbox_events`)
      // Sorted here: MariaDB compares a uuid of version 4 from its end.
      return (rows as DjangoRow[]).map(dashedAndIso).toSorted((a, b) => (a.id < b.id ? -1 : 1))
    },
    async run(sql) {
      await pool.query(sql)
    },
    async close() {
      await store.close()
      await pool.end()
      await root.query(`DROP DATABASE ${database}`)
      await root.end()
    },
  }
}
