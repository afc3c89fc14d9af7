import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { before, describe, test } from 'node:test'
import fc from 'fast-check'
import { Pool } from 'pg'
import { isMediaType } from '../../src/event/content-type.ts'
import { isUri, isUriReference } from '../../src/event/uri.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { MEDIA_TYPE, URI, URI_REFERENCE } from '../../src/store/postgres/schema/migrations/0003-patterns.ts'
import type { Store } from '../../src/store/store.ts'
import { POSTGRES_SERVERS } from '../support/postgres-servers.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { postgresDjango } from '../takeover/django-database.ts'
import { type SqlEvent, type SqlOutbox, sqlCases } from './sql-cases.ts'

/** Of the server whose tests run now. */
let url = ''

interface PostgresOutbox extends SqlOutbox {
  readonly pool: Pool
  readonly schema: string
}

/** Arguments of the function: their names, and how a text becomes one. */
const ARGUMENTS: Readonly<Record<keyof SqlEvent, string>> = {
  type: 'type => %::text',
  source: 'source => %::text',
  data: 'data => %::json',
  binary: 'data_binary => %::bytea',
  subject: 'subject => %::text',
  partitionKey: 'partition_key => %::text',
  backend: 'backend => %::text',
  delay: "delay => %::float8 * interval '1 millisecond'",
  scheduledAt: 'scheduled_at => %::timestamptz',
  id: 'id => %::text',
  time: 'event_time => %::timestamptz',
  dataContentType: 'data_content_type => %::text',
  dataSchema: 'data_schema => %::text',
  extensions: 'extensions => %::json',
  maxRetries: 'max_retries => %::integer',
  config: 'config => %::json',
}

/** Its attributes go through every pattern that has a backslash in it. */
const ODD = {
  type: 'a',
  source: 'http://[::1]:80/a?b#c',
  dataSchema: 'https://example.com/a?b=c',
  dataContentType: 'text/plain; charset="utf-8"; x="a\\"b"',
  data: '"text"',
}

function publishOn(pool: Pool, name: string): SqlOutbox['publish'] {
  return async (event) => {
    const given = Object.entries(event) as [keyof SqlEvent, SqlEvent[keyof SqlEvent]][]
    const list = given.map(([member], n) => ARGUMENTS[member].replace('%', `$${n + 1}`)).join(', ')
    const values = given.map(([, value]) => (value instanceof Uint8Array ? Buffer.from(value) : value))
    const { rows } = await pool.query(`SELECT ${name}(${list}) AS id`, values)
    return rows[0].id
  }
}

async function open(table = 'outbox_events'): Promise<PostgresOutbox> {
  const schema = `sql_${randomBytes(6).toString('hex')}`
  const pool = new Pool({ connectionString: url, max: 4 })
  const store = postgres({ pool, schema, table, listen: false }) as Store
  await store.schema.migrate({ lanes: 8 })
  return {
    store,
    pool,
    schema,
    publish: publishOn(pool, `${schema}."${table.replace(/_events$/, '')}_publish"`),
    async run(sql) {
      const client = await pool.connect()
      try {
        await client.query(`SET search_path = ${schema}`)
        await client.query(sql)
      } finally {
        client.release(true)
      }
    },
    async close() {
      await pool.query(`DROP SCHEMA ${schema} CASCADE`)
      await pool.end()
    },
  }
}

async function withOutbox(work: (outbox: PostgresOutbox) => Promise<void>, table?: string): Promise<void> {
  const outbox = await open(table)
  try {
    await work(outbox)
  } finally {
    await outbox.close()
  }
}

for (const { name: server, title } of POSTGRES_SERVERS) {
  describe(`outbox_publish on ${title}`, { skip: skipWithout(server) }, () => {
    before(() => {
      url = servers[server]()?.url ?? ''
    })
    sqlCases(open)

    test('is named after the events table', () =>
      withOutbox(async (outbox) => {
        await outbox.publish({ type: 'a', source: '/b' })
        assert.equal(await outbox.store.admin.count([]), 1)
      }, 'Messages'))

    test('says all problems at once, with what was given and what to give', () =>
      withOutbox(async (outbox) => {
        await assert.rejects(
          outbox.publish({ type: 'a', source: '/a b', maxRetries: -2, extensions: '{"A":1}' }),
          (error) => {
            assert.ok(error instanceof Error && 'code' in error)
            assert.equal(error.code, '22023')
            assert.match(
              error.message,
              /^the event is refused:\n- source is "\/a b", not a URI-reference.*percent-encoded\n/,
            )
            assert.match(error.message, /\n- extensions\.A is not a valid extension name; use only a-z and 0-9\n/)
            assert.match(error.message, /\n- max_retries is -2; give a whole number, 0 or more$/)
            return true
          },
        )
      }))

    test('is part of the transaction around it', () =>
      withOutbox(async ({ pool, schema, store }) => {
        await pool.query(`CREATE TABLE ${schema}.orders (id integer PRIMARY KEY)`)
        await assert.rejects(
          pool.query(`DO $$ BEGIN
          INSERT INTO ${schema}.orders VALUES (1);
          PERFORM ${schema}.outbox_publish('a', '/b');
          RAISE EXCEPTION 'undone';
        END $$`),
          /undone/,
        )
        assert.equal(await store.admin.count([]), 0)
        await pool.query(`WITH o AS (INSERT INTO ${schema}.orders VALUES (1) RETURNING id)
        SELECT ${schema}.outbox_publish('a', '/b', row_to_json(o)) FROM o`)
        assert.equal(await store.admin.count([]), 1)
      }))

    test('two transactions that publish one id end with one event', () =>
      withOutbox(async ({ pool, publish, store }) => {
        const event = { type: 'a', source: '/b', id: 'x' }
        const ids = await Promise.all(Array.from({ length: 4 }, () => publish(event)))
        assert.equal(new Set(ids).size, 1)
        assert.equal(await store.admin.count([]), 1)
        assert.ok(pool.totalCount > 1, 'they did run at once')
      }))

    test('works on a table taken over from Django', async () => {
      const django = await postgresDjango(url)
      try {
        await django.store.schema.migrate()
        const publish = publishOn(django.pool, 'outbox_publish')
        const id = await publish({ type: 'a', source: '/b', data: '{"n":1}', config: '{"a":2}', partitionKey: 'k' })
        const row = (await django.rows()).find((each) => each.id === id)
        assert.deepEqual([row?.data, row?.publisher_config, row?.status], ['{"n": 1}', '{"a": 2}', 'pending'])
      } finally {
        await django.close()
      }
    })

    test('the patterns accept what the rules of events accept', () =>
      withOutbox(async ({ pool }) => {
        const piece = fc.constantFrom(
          ...[
            'a',
            'Z',
            '1',
            '/',
            '//',
            ':',
            '?',
            '#',
            '%',
            '%2F',
            '%zz',
            '@',
            '[',
            ']',
            '[::1]',
            '[v1.x]',
            '.',
            '-',
            '+',
          ],
          ...[
            'é',
            ' ',
            "'",
            '"',
            '\\',
            '~',
            '!',
            '$&',
            ';',
            '; a=b',
            ';a="x"',
            '=',
            ',',
            'urn:',
            'text/',
            '\t',
            '|',
            '`',
            '^',
          ],
        )
        const texts = fc.sample(
          fc.array(piece, { maxLength: 7 }).map((pieces) => pieces.join('')),
          5_000,
        )
        const { rows } = await pool.query(
          `SELECT t AS text, t ~ '${URI}' AS uri, t ~ '${URI_REFERENCE}' AS reference, t ~ '${MEDIA_TYPE}' AS media
        FROM unnest($1::text[]) AS t`,
          [texts],
        )
        const count = { uri: 0, reference: 0, media: 0 }
        for (const { text, uri, reference, media } of rows) {
          assert.deepEqual([uri, reference, media], [isUri(text), isUriReference(text), isMediaType(text)], text)
          count.uri += Number(uri)
          count.reference += Number(reference)
          count.media += Number(media)
        }
        // The control: each pattern accepts some and refuses some.
        for (const n of Object.values(count)) assert.ok(n > 4 && n < 4_996, JSON.stringify(count))
      }))
  })
}

for (const { name: server, title } of POSTGRES_SERVERS) {
  describe(`outbox_capture on ${title}`, { skip: skipWithout(server) }, () => {
    before(() => {
      url = servers[server]()?.url ?? ''
    })
    const withOrders = (work: (outbox: PostgresOutbox) => Promise<void>) =>
      withOutbox(async (outbox) => {
        await outbox.pool.query(
          `CREATE TABLE ${outbox.schema}.orders (id integer PRIMARY KEY, total numeric, note text, secret text)`,
        )
        await work(outbox)
      })
    const trigger = (
      { pool, schema }: PostgresOutbox,
      list: string,
      when = 'AFTER INSERT OR UPDATE OR DELETE',
    ): Promise<unknown> =>
      pool.query(`CREATE TRIGGER orders_outbox ${when} ON ${schema}.orders
      FOR EACH ROW EXECUTE FUNCTION ${schema}.outbox_capture(${list})`)
    const events = async ({ pool, schema }: PostgresOutbox): Promise<readonly Record<string, unknown>[]> =>
      (
        await pool.query(`SELECT event_type, source, subject, partition_key, publisher_backend, data
        FROM ${schema}.outbox_events ORDER BY seq`)
      ).rows

    test('each change of a row is an event, in the transaction of the change', () =>
      withOrders(async (outbox) => {
        const { pool, schema } = outbox
        await trigger(outbox, `'type=order', 'source=/shop/orders', 'key=id', 'backend=partners', 'omit=secret, note'`)
        await pool.query(`INSERT INTO ${schema}.orders VALUES (1, 12.50, 'n', 's'), (2, 1, NULL, NULL)`)
        await pool.query(`UPDATE ${schema}.orders SET total = total + 1 WHERE id = 1`)
        await pool.query(`UPDATE ${schema}.orders SET total = total, secret = 'other', note = 'other'`)
        await pool.query(`DELETE FROM ${schema}.orders WHERE id = 2`)
        await assert.rejects(
          pool.query(`WITH gone AS (DELETE FROM ${schema}.orders RETURNING id) SELECT 1 / 0 FROM gone`),
        )
        const base = { source: '/shop/orders', publisher_backend: 'partners' }
        assert.deepEqual(
          await events(outbox),
          [
            {
              event_type: 'order.created',
              subject: '1',
              partition_key: '1',
              data: { before: null, after: { id: 1, total: 12.5 } },
            },
            {
              event_type: 'order.created',
              subject: '2',
              partition_key: '2',
              data: { before: null, after: { id: 2, total: 1 } },
            },
            {
              event_type: 'order.updated',
              subject: '1',
              partition_key: '1',
              data: { before: { id: 1, total: 12.5 }, after: { id: 1, total: 13.5 } },
            },
            {
              event_type: 'order.deleted',
              subject: '2',
              partition_key: '2',
              data: { before: { id: 2, total: 1 }, after: null },
            },
          ].map((event) => ({ ...event, ...base })),
        )
      }))

    test('means the same in a session with standard_conforming_strings = off, as outbox_publish does', () =>
      withOrders(async (outbox) => {
        const { pool, schema } = outbox
        const ordinary = await publishOn(pool, `${schema}.outbox_publish`)({ ...ODD, id: 'ordinary' })
        const options = '-c standard_conforming_strings=off -c escape_string_warning=off'
        const old = new Pool({ connectionString: url, max: 1, options })
        try {
          const publish = publishOn(old, `${schema}.outbox_publish`)
          assert.notEqual(await publish({ ...ODD, id: 'old' }), ordinary)
          for (const [field, value] of Object.entries({ source: 'http://[x', type: 'a\tb', dataContentType: 'text' })) {
            await assert.rejects(publish({ ...ODD, [field]: value }), { code: '22023' })
          }
          await pool.query(`TRUNCATE ${schema}.outbox_events`)
          await trigger(outbox, `'omit=secret, note'`)
          await old.query(`INSERT INTO ${schema}.orders VALUES (1, 12.50, 'n', 's')`)
        } finally {
          await old.end()
        }
        assert.deepEqual(
          (await events(outbox)).map(({ data }) => data),
          [{ before: null, after: { id: 1, total: 12.5 } }],
        )
      }))

    test('without arguments it names events after the table, and takes the column id as the key', () =>
      withOrders(async (outbox) => {
        const { pool, schema } = outbox
        await trigger(outbox, '')
        await pool.query(`INSERT INTO ${schema}.orders VALUES (7)`)
        const [event] = await events(outbox)
        assert.equal(event?.['event_type'], 'orders.created')
        assert.equal(event['source'], `/${schema}/orders`)
        assert.equal(event['partition_key'], '7')
        assert.equal(event['publisher_backend'], '')
      }))

    test('a trigger that is told wrong says so', () =>
      withOrders(async (outbox) => {
        const { pool, schema } = outbox
        const insert = (): Promise<unknown> => pool.query(`INSERT INTO ${schema}.orders VALUES (1)`)
        const wrong: readonly (readonly [RegExp, string, string?])[] = [
          [/argument "colour=red"; give type=, source=/, `'colour=red'`],
          [/key=number, and orders has no such column/, `'key=number'`],
          [/is BEFORE INSERT FOR EACH ROW; make it AFTER/, '', 'BEFORE INSERT'],
          [/source is "\/a b"/, `'source=/a b'`],
          [/omit=secrt, and orders has no such column; it has id, total, note, secret/, `'omit=note, secrt'`],
          [/omit=Secret, and orders/, `'omit=Secret'`],
        ]
        for (const [message, list, when] of wrong) {
          await trigger(outbox, list, when)
          await assert.rejects(insert(), message)
          await pool.query(`DROP TRIGGER orders_outbox ON ${schema}.orders`)
        }
        await trigger(outbox, `'key=', 'omit='`)
        await insert()
        assert.equal((await events(outbox))[0]?.['partition_key'], null)
      }))
  })
}
