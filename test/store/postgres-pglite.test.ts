import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { PGlite } from '@electric-sql/pglite'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { runConformance } from '../../src/testing/conformance.ts'
import { storeConformance } from '../../src/testing/store-conformance.ts'
import { setBack } from './set-back.ts'

const runner = { test, skip: (name: string, reason: string) => test(name, { skip: reason }, () => {}) }

describe('store on PGlite', () => {
  // One instance for all cases, since it takes a second to start; each case has a schema of its own.
  const pglite = new PGlite()
  let n = 0
  after(() => pglite.close())

  test('a commit that was a rollback is an error, not a success', async () => {
    const store = postgres({ pglite, schema: 'swallowed' })
    await store.schema.migrate()
    await assert.rejects(
      store.transaction(async (tx) => {
        await assert.rejects(tx.query('SELECT 1/0'))
        return 'handled'
      }),
      { code: 'TRANSACTION_ABORTED' },
    )
    assert.equal(await store.transaction(async () => 'handled'), 'handled')
    await store.close()
  })

  runConformance(
    runner,
    storeConformance,
    async () => {
      const schema = `s${n++}`
      const elsewhere = `${schema}_2`
      const store = postgres({ pglite, schema })
      await store.schema.migrate({ lanes: 8 })
      return {
        store,
        another: async () => postgres({ pglite, schema }),
        unmigrated: async () => postgres({ pglite, schema: elsewhere }),
        setBack: (duration) => setBack(store as Store, 'postgres', duration, `${schema}.`),
        async close() {
          await store.close()
          await pglite.exec(`DROP SCHEMA IF EXISTS ${schema} CASCADE; DROP SCHEMA IF EXISTS ${elsewhere} CASCADE`)
        },
      }
    },
    {
      readsDuringTransaction: 'PGlite has one connection: a read waits for the open transaction',
      concurrentWriters: 'PGlite has one connection: transactions run one after the other',
    },
  )
})
