import { test } from 'node:test'
import { PGlite } from '@electric-sql/pglite'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { agrees } from './oracle.ts'
import { LANES } from './oracle-operations.ts'

test('oracle: PGlite agrees with memory', async (t) => {
  const pglite = new PGlite()
  const store: Store = postgres({ pglite, listen: false })
  try {
    await store.schema.migrate({ lanes: LANES })
    await agrees(t, false, async () => {
      // One outbox for all lists, emptied before each: migrating takes longer than a list.
      await pglite.exec('TRUNCATE outbox_events, outbox_lanes, outbox_workers, outbox_breakers, outbox_undo')
      return { store, close: async () => {} }
    })
  } finally {
    await store.close()
    await pglite.close()
  }
})
