import { test } from 'node:test'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { requireServer } from '../support/servers.ts'
import { agrees } from './oracle.ts'
import { LANES } from './oracle-operations.ts'
import { openPlace } from './postgres-place.ts'

test('oracle: PostgreSQL agrees with memory', async (t) => {
  const server = requireServer(t, 'postgres')
  if (!server) return
  const { pool, schema, close } = openPlace(server.url)
  const store: Store = postgres({ pool, schema, listen: false })
  try {
    await store.schema.migrate({ lanes: LANES })
    const tables = ['events', 'lanes', 'workers', 'breakers', 'undo'].map((name) => `${schema}.outbox_${name}`)
    await agrees(t, false, async () => {
      await pool.query(`TRUNCATE ${tables.join(', ')}`)
      return { store, close: async () => {} }
    })
  } finally {
    await store.close()
    await close()
  }
})
