import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { BroadcasterError } from '../../src/errors.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import type { Store } from '../../src/store/store.ts'
import { runConformance } from '../../src/testing/conformance.ts'
import { storeConformance } from '../../src/testing/store-conformance.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { Fixtures, openPlace } from './postgres-place.ts'

const runner = { test, skip: (name: string, reason: string) => test(name, { skip: reason }, () => {}) }

const unexpected = (error?: unknown): never => assert.fail(`unexpected: ${error}`)

describe('store behind PgBouncer in transaction mode', { skip: skipWithout('postgres', 'pgbouncer') }, () => {
  const direct = servers.postgres()?.url ?? ''
  const pooled = servers.pgbouncer()?.url ?? ''

  // Listening goes past the pooler, as the option `listen` is for.
  const fixtures = new Fixtures(pooled, direct)
  after(() => fixtures.close())
  runConformance(runner, storeConformance, () => fixtures.next())

  test('listening through the pooler is refused, so that the worker polls; past it, it works', async () => {
    const { pool, schema, close } = openPlace(pooled)
    try {
      const store = postgres({ pool, schema })
      await store.schema.migrate()
      await assert.rejects(
        async () => store.wake?.listen(unexpected, unexpected),
        (error) => error instanceof BroadcasterError && error.code === 'STORE_UNAVAILABLE' && error.field === 'listen',
      )
      const backends = { default: memoryBackend() }
      const found = async (given: Store) => {
        const { findings } = await new Broadcaster({ store: given, backends, logger: false }).status({
          thorough: true,
        })
        return findings.filter(({ code }) => code === 'commits-not-told')
      }
      assert.match((await found(store))[0]?.message ?? '', /do not learn of commits.*PgBouncer in transaction mode/)
      const past = postgres({ pool, schema, listen: { url: direct } })
      assert.deepEqual(await found(past), [])
      const listener = await past.wake?.listen(() => {}, unexpected)
      await listener?.close()
    } finally {
      await close()
    }
  })

  test('statements are unnamed: none is left prepared on the server', async () => {
    const { pool, schema, close } = openPlace(pooled)
    try {
      const store = postgres({ pool, schema })
      await store.schema.migrate()
      await store.relay.fetch(['default'], [{ lane: 0, after: 0, limit: 10 }])
      await store.admin.look()
      const { rows } = await pool.query(`SELECT name FROM pg_prepared_statements WHERE name <> ''`)
      assert.deepEqual(rows, [])
    } finally {
      await close()
    }
  })
})
