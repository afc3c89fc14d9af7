import { test } from 'node:test'
import { mysql } from '../../src/store/mysql/mysql.ts'
import type { Store } from '../../src/store/store.ts'
import { MYSQL_SERVERS } from '../support/mysql-servers.ts'
import { requireServer } from '../support/servers.ts'
import { openPlace } from './mysql-place.ts'
import { agrees } from './oracle.ts'
import { LANES } from './oracle-operations.ts'

for (const { name, title } of MYSQL_SERVERS) {
  test(`oracle: ${title} agrees with memory`, async (t) => {
    const server = requireServer(t, name)
    if (!server) return
    const { pool, close } = await openPlace(server.url)
    const store: Store = mysql({ pool })
    try {
      await store.schema.migrate({ lanes: LANES })
      await agrees(t, false, async () => {
        // DELETE and not TRUNCATE, which makes new files each time.
        for (const table of ['events', 'lanes', 'workers', 'breakers', 'undo'])
          await pool.query(`DELETE FROM outbox_${table}`)
        return { store, close: async () => {} }
      })
    } finally {
      await store.close()
      await close()
    }
  })
}
