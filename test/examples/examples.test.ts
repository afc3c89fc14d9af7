import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Pool } from 'pg'
import { root } from '../project/source-files.ts'
import { openPlace as openMysqlPlace } from '../store/mysql-place.ts'
import { requireServer } from '../support/servers.ts'

const SHOP = ['a: no gift wrap left', 'b: no gift wrap left', 'b: card declined']
const PLACED = "order.placed { id: 'a', total: 12 }"
const ORDERS = "[ { id: 'a', total: 12 } ]"

/** What each program prints when everything is as it should be; in the order of the lines. */
const PRINTS: Readonly<Record<string, readonly string[]>> = {
  '01-sqlite-handlers.ts': [
    'order b was rolled back: card declined',
    'receipt for order a: 12 EUR',
    'receipt for order c: 30 EUR',
    '2 events published, 2 stored',
  ],
  '02-postgres-redis.ts': ['a order.placed', 'a order.paid', 'a order.shipped'],
  '03-typed-catalogue.ts': [
    'refused: INVALID_DATA at data.total',
    'placed a: 12 EUR',
    'cancelled a: customer',
    '2 events delivered',
  ],
  '04-webhook.ts': [
    'partner is down; its events wait',
    'partner got order.placed {"id":"a"}',
    'partner is up again',
    'published, with 0 retries spent',
    'forged: 401',
  ],
  '05-own-backend.ts': [
    'mail to ada@example.org',
    '3 of 4 outbox events published',
    'failed for good at mailer: nowhere is no address [SEND_PERMANENT]',
  ],
  '06-scheduled-and-cron.ts': [
    'mail: at once',
    'pass 1: 1',
    'mail: soon',
    'pass 2: 1',
    'mail: tomorrow',
    'pass 3: 1',
    'pass 4: 0',
  ],
  '07-transactional-handlers.ts': [
    "handler 'book': try 1: fails after the write",
    "handler 'book': try 2: fails after the write",
    '3 tries, booked 1 time(s)',
  ],
  '08-nats.ts': ['order.placed {"id":"a"}', 'order.paid {"id":"a"}', 'order.shipped {"id":"a"}'],
  '09-rabbitmq.ts': [
    'no queue wants it yet',
    'shipping got order.placed {"id":"a"}',
    'shipping got order.paid {"id":"a"}',
    'shipping got order.cursed {"id":"a"}',
    'given up: order.cursed: nobody ships that',
  ],
  '11-mqtt.ts': ['order.placed {"id":"a"}', 'order.paid {"id":"a"}'],
  '10-kafka.ts': ['a', 'b', 'c', 'd'].map((id) => `${id}: order.placed, order.paid, order.shipped`),
  '13-tenants.ts': [
    'acme running, bolt running, away down',
    "bolt's event went early, with acme's thousand still going out",
    'away is back',
    'acme, away, cargo',
  ],
  '12-mysql.ts': ['order b was rolled back: card declined', 'booked a: 12 EUR', 'booked c: 30 EUR', '3 tries'],
  '20-drizzle.ts': [...SHOP, PLACED, ORDERS],
  '21-prisma.ts': [...SHOP, "order.placed { id: 'a' }", "[ { id: 'a' } ]"],
  '22-kysely.ts': ['b: card declined', PLACED, ORDERS],
  '23-knex.ts': [...SHOP, PLACED, ORDERS],
  '24-typeorm.ts': [...SHOP, PLACED, ORDERS],
  '25-mikro-orm.ts': [...SHOP, PLACED, ORDERS],
  '26-sequelize.ts': [...SHOP, PLACED, ORDERS],
  '27-postgres-js.ts': [...SHOP, PLACED, ORDERS],
  '28-libsql.ts': ['b: card declined', PLACED, ORDERS],
}

const LOG_LINE = /^\d{4}-\d\d-\d\dT[\d:.]+Z broadcaster: /

/** Two lines that different parts of the program print, in whichever order. */
const ANY_ORDER = new Set(['04-webhook.ts'])

const folder = join(root, 'examples')

test('every example is run by these tests, and listed in the README of the folder', () => {
  const programs = readdirSync(folder).filter((name) => name.endsWith('.ts'))
  assert.deepEqual(programs.sort(), Object.keys(PRINTS).sort())
  const readme = readFileSync(join(folder, 'README.md'), 'utf8')
  for (const name of programs) assert.ok(readme.includes(`(${name})`), `${name} is not listed`)
})

for (const [name, lines] of Object.entries(PRINTS)) {
  test(`${name} runs`, async (t) => {
    const schema = `broadcaster_example_${randomBytes(4).toString('hex')}`
    const env: Record<string, string | undefined> = { ...process.env, EXAMPLE_SCHEMA: schema }
    if (/postgres|sequelize/.test(name)) {
      const database = requireServer(t, 'postgres')
      if (!database) return
      Object.assign(env, { POSTGRES_URL: database.url })
      t.after(() => dropSchema(database.url, schema))
    }
    if (name.includes('mysql')) {
      const database = requireServer(t, 'mysql')
      if (!database) return
      const place = await openMysqlPlace(database.url)
      t.after(() => place.close())
      Object.assign(env, { MYSQL_URL: place.url })
    }
    if (name.includes('redis')) {
      const broker = requireServer(t, 'redis')
      if (!broker) return
      Object.assign(env, { REDIS_URL: broker.url })
    }
    if (name.includes('nats')) {
      const broker = requireServer(t, 'nats')
      if (!broker) return
      Object.assign(env, { NATS_URL: broker.url })
    }
    if (name.includes('rabbitmq')) {
      const broker = requireServer(t, 'rabbitmq')
      if (!broker) return
      Object.assign(env, { AMQP_URL: broker.url })
    }
    if (name.includes('mqtt')) {
      const broker = requireServer(t, 'mosquitto')
      if (!broker) return
      Object.assign(env, { MQTT_URL: broker.url })
    }
    if (name.includes('kafka')) {
      const broker = requireServer(t, 'kafka')
      if (!broker) return
      Object.assign(env, { KAFKA_SERVERS: new URL(broker.url).host })
    }
    const cwd = mkdtempSync(join(tmpdir(), 'broadcaster-example-'))
    t.after(() => rmSync(cwd, { recursive: true }))
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--conditions=ts-broadcaster-source', '--disable-warning=ExperimentalWarning', join(folder, name)],
      { cwd, env, encoding: 'utf8', timeout: 240_000 },
    )
    // What a worker or a consumer tells people goes to standard error; nothing else does.
    const others = stderr.split('\n').filter((line) => line !== '' && !LOG_LINE.test(line))
    assert.deepEqual(others, [])
    assert.equal(status, 0)
    const printed = stdout.trim().split('\n')
    if (ANY_ORDER.has(name)) assert.deepEqual(printed.toSorted(), lines.toSorted())
    else assert.deepEqual(printed, lines)
  })
}

async function dropSchema(connectionString: string, schema: string): Promise<void> {
  const pool = new Pool({ connectionString })
  await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
  await pool.end()
}
