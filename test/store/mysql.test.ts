import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { runConformance } from '../../src/testing/conformance.ts'
import { storeConformance } from '../../src/testing/store-conformance.ts'
import { MYSQL_SERVERS } from '../support/mysql-servers.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { Fixtures } from './mysql-place.ts'

const runner = { test, skip: (name: string, reason: string) => test(name, { skip: reason }, () => {}) }
const cannot = { wake: 'MySQL cannot announce commits; relays poll' }

for (const { name, title } of MYSQL_SERVERS) {
  describe(`store on ${title}`, { skip: skipWithout(name) }, () => {
    const fixtures = new Fixtures(servers[name]()?.url ?? '')
    after(() => fixtures.close())
    runConformance(runner, storeConformance, () => fixtures.next(), cannot)

    test('an index that is not ours is told of, with what it is on', async () => {
      const { store, close } = await fixtures.next()
      const { pool } = await fixtures.place
      // MariaDB has no index on an expression.
      const on = name === 'mysql' ? '(lower(`event_type`))' : 'event_type'
      await pool.query(`CREATE INDEX by_type ON outbox_events (${on}, subject)`)
      try {
        const [extra, ...others] = (await store.schema.inspect?.())?.extraIndexes ?? []
        assert.deepEqual([extra?.name, others], ['by_type', []])
        assert.equal(extra?.on, `(${on.replace(/^\((.*)\)$/, '$1')}, subject)`)
        await pool.query(extra?.drop ?? '')
      } finally {
        await close()
      }
    })

    test('rows are counted, and not the holes that a purge or a take-over left between them', async () => {
      const { store, close } = await fixtures.next()
      try {
        const { pool } = await fixtures.place
        const row = (seq: number): string => `('a', 'b', ${seq})`
        await pool.query(`INSERT INTO outbox_events (event_type, source, seq) VALUES ${row(1)}, ${row(5_000_000)}`)
        const { totalRows, totalRowsIsEstimate } = await store.admin.look()
        assert.deepEqual({ totalRows, totalRowsIsEstimate }, { totalRows: 2, totalRowsIsEstimate: false })
      } finally {
        await close()
      }
    })
  })
}
