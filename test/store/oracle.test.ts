import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { PGlite } from '@electric-sql/pglite'
import fc from 'fast-check'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { requireServer } from '../support/servers.ts'
import { openPlace as openMysqlPlace } from './mysql-place.ts'
import { LANES, operation, PRELUDE } from './oracle-operations.ts'
import { Subject } from './oracle-subject.ts'
import { openPlace } from './postgres-place.ts'

/** An empty outbox with LANES lanes. */
interface Empty {
  readonly store: Store
  close(): Promise<void>
}

/** Random lists of operations, about this many in all; raise it to look harder. */
const BUDGET = Number(process.env['ORACLE_OPS'] ?? 12_000)
const LENGTH = 40

/**
 * Runs the same random operations on the memory store, which is simple enough to be right by looking at it, and on
 * another; whatever comes out must be equal after each step, and everything stored at the end. `shrink` looks for the
 * shortest list that fails, which takes a few hundred runs.
 */
async function agrees(share: number, shrink: boolean, empty: () => Promise<Empty>): Promise<void> {
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { minLength: LENGTH / 2, maxLength: LENGTH * 1.5, size: 'max' }),
      async (operations) => {
        const oracle = new Subject(memoryStore({ lanes: LANES }))
        const { store, close } = await empty()
        try {
          const subject = new Subject(store)
          for (const [n, each] of [...PRELUDE, ...operations].entries()) {
            assert.deepEqual(await subject.run(each), await oracle.run(each), `step ${n}: ${JSON.stringify(each)}`)
          }
          assert.deepEqual(await subject.dump(), await oracle.dump(), 'what is stored at the end')
        } finally {
          await close()
        }
      },
    ),
    { numRuns: Math.max(1, Math.round((BUDGET * share) / LENGTH)), seed: 20_260_101, endOnFailure: !shrink },
  )
}

test('oracle: SQLite agrees with memory', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-oracle-'))
  let files = 0
  try {
    await agrees(1, true, async () => {
      const store = sqlite({ path: join(folder, `${++files}.db`) })
      await store.schema.migrate({ lanes: LANES })
      return { store: store as Store, close: () => store.close() }
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

/** One outbox for all runs, emptied before each: migrating takes longer than a run. */
async function emptied(store: Store, query: (sql: string) => Promise<unknown>): Promise<Empty> {
  await query('TRUNCATE outbox_events, outbox_lanes, outbox_workers, outbox_breakers')
  return { store, close: async () => {} }
}

test('oracle: PGlite agrees with memory', async () => {
  const pglite = new PGlite()
  const store: Store = postgres({ pglite, listen: false })
  try {
    await store.schema.migrate({ lanes: LANES })
    await agrees(0.1, false, () => emptied(store, (sql) => pglite.exec(sql)))
  } finally {
    await store.close()
    await pglite.close()
  }
})

test('oracle: PostgreSQL agrees with memory', async (t) => {
  const server = requireServer(t, 'postgres')
  if (!server) return
  const { pool, schema, close } = openPlace(server.url)
  const store: Store = postgres({ pool, schema, listen: false })
  try {
    await store.schema.migrate({ lanes: LANES })
    await agrees(0.15, false, () => emptied(store, (sql) => pool.query(sql.replaceAll('outbox_', `${schema}.outbox_`))))
  } finally {
    await store.close()
    await close()
  }
})

test('oracle: MariaDB agrees with memory', async (t) => {
  const server = requireServer(t, 'mariadb')
  if (!server) return
  const { pool, close } = await openMysqlPlace(server.url)
  const store: Store = mysql({ pool })
  try {
    await store.schema.migrate({ lanes: LANES })
    await agrees(0.15, false, async () => {
      // DELETE and not TRUNCATE, which makes new files each time.
      for (const table of ['events', 'lanes', 'workers', 'breakers']) await pool.query(`DELETE FROM outbox_${table}`)
      return { store, close: async () => {} }
    })
  } finally {
    await store.close()
    await close()
  }
})
