import { test } from 'node:test'
import { mysql } from '../../src/store/mysql/mysql.ts'
import type { Store } from '../../src/store/store.ts'
import { requireServer } from '../support/servers.ts'
import { openPlace } from './mysql-place.ts'
import { agrees } from './oracle.ts'
import { LANES } from './oracle-operations.ts'

test('oracle: MariaDB agrees with memory', async (t) => {
  const server = requireServer(t, 'mariadb')
  if (!server) return
  const { pool, close } = await openPlace(server.url)
  const store: Store = mysql({ pool })
  try {
    await store.schema.migrate({ lanes: LANES })
    await agrees(t, false, async () => {
      // DELETE and not TRUNCATE, which makes new files each time.
      for (const table of ['events', 'lanes', 'workers', 'breakers']) await pool.query(`DELETE FROM outbox_${table}`)
      return { store, close: async () => {} }
    })
  } finally {
    await store.close()
    await close()
  }
})
