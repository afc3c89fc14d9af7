/** What a publish writes to the log of PostgreSQL, beside the least that storing the same row can write. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { uuidV7 } from '../../src/event/uuid.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { openPlace } from '../store/postgres-place.ts'
import { servers, skipWithout } from '../support/servers.ts'

const MOST = 1.2
const ROWS = 60

test('a publish writes at most 1.2 times the WAL of the plain row, unless its id may be stored already', {
  skip: skipWithout('postgres'),
}, async (t) => {
  const { pool, schema, close } = openPlace(servers.postgres()?.url ?? '')
  const store = postgres({ pool, schema, listen: false })
  const broadcaster = new Broadcaster({ store, backends: { default: memoryBackend() } })
  const client = await pool.connect()
  try {
    await store.schema.migrate({ lanes: 4 })
    await client.query(
      `CREATE TABLE ${schema}.bare (LIKE ${schema}.outbox_events INCLUDING DEFAULTS INCLUDING IDENTITY, PRIMARY KEY (id))`,
    )
    const { query } = client
    /** Bytes of each INSERT into the tables of this test, which is run under EXPLAIN in its place. */
    const bytes: number[] = []
    const explained = async (asked: string | { readonly text: string; readonly values?: unknown[] }) => {
      const { text, values = [] } = typeof asked === 'string' ? { text: asked } : asked
      if (!text.startsWith('INSERT')) return Reflect.apply(query, client, [asked])
      const { rows } = await Reflect.apply(query, client, [`EXPLAIN (ANALYZE, WAL, FORMAT JSON) ${text}`, values])
      bytes.push(rows[0]['QUERY PLAN'][0].Plan['WAL Bytes'])
      const made = { id: values[0], seq: '1', lane: '1', createdat: '0', encoding: 'UTF8', session: '0' }
      return { rows: [made] }
    }
    client.query = explained as unknown as typeof query
    const medianOf = async (work: (n: number) => Promise<unknown>): Promise<number> => {
      bytes.length = 0
      for (let n = 0; n < ROWS; n++) {
        await client.query('BEGIN')
        await work(n)
        await client.query('COMMIT')
      }
      assert.equal(bytes.length, ROWS)
      return bytes.toSorted((a, b) => a - b)[ROWS / 2] ?? Number.NaN
    }
    const event = (n: number) => ({
      type: 'order.created',
      source: '/orders',
      data: { order: n, padding: 'x'.repeat(200) },
      partitionKey: `key-${n % 10}`,
    })
    const bare = await medianOf((n) => {
      const { type, source, data, partitionKey } = event(n)
      const text = `INSERT INTO ${schema}.bare (id, lane, event_type, source, data, partition_key, publisher_backend)
VALUES ($1, $2, $3, $4, $5, $6, 'default')`
      return client.query({ text, values: [uuidV7(), n % 4, type, source, JSON.stringify(data), partitionKey] })
    })
    const usual = await medianOf((n) => broadcaster.publish(client, event(n)))
    const own = await medianOf((n) => broadcaster.publish(client, { ...event(n), id: `own-${n}` }))
    t.diagnostic(`bare ${bare} bytes, published ${usual}, with an id of its own ${own}`)
    assert.ok(usual <= MOST * bare, `${usual} bytes, and ${bare} for the plain row`)
    assert.ok(own > usual, 'the control: what looks for duplicates writes more')
  } finally {
    client.release(true)
    await broadcaster.close()
    await close()
  }
})
