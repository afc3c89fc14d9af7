import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type Backend, delivered } from '../../src/backend/backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { numbers } from '../store/mysql-place.ts'
import { MYSQL_SERVERS } from '../support/mysql-servers.ts'
import { requireServer } from '../support/servers.ts'
import { type DjangoDatabase, mysqlDjango, postgresDjango, sqliteDjango } from './django-database.ts'
import type { DjangoTask, Pulse } from './django-process.ts'

/*
 * A table is taken over while an application goes on inserting into it the way Django does, and a worker delivers all
 * that is there as soon as it can (in full 100,000 rows, in CI 40,000): none is lost, none is left behind.
 */

const FULL = process.env['BROADCASTER_FULL'] === '1'
const OLD = FULL ? 60_000 : 24_000
const NEW = FULL ? 40_000 : 16_000
const ROWS = (OLD + NEW).toLocaleString('en')

type Phase = 'before' | 'during' | 'after'

/** Pulses come at least so often, in milliseconds, unless an insert waits. */
const PULSE = 50

/** What the application saw, phase by phase. */
class Application {
  readonly ended: Promise<unknown>
  readonly #child: ChildProcess
  readonly #pulses: Pulse[] = []

  constructor(task: DjangoTask) {
    this.#child = fork(new URL('./django-process.ts', import.meta.url), [JSON.stringify(task)], { silent: true })
    this.#child.on('message', (message) => this.#pulses.push(message as Pulse))
    let said = ''
    this.#child.stderr?.on('data', (text) => (said += text))
    this.ended = once(this.#child, 'close').then(([code]) => assert.equal(code, 0, `the application failed:\n${said}`))
    // Whoever waits for it hears of it, however late.
    this.ended.catch(() => undefined)
  }

  /** Rows inserted so far. */
  get total(): number {
    return this.#pulses.at(-1)?.inserted ?? 0
  }

  /** Rows inserted, and the longest wait in milliseconds, before, during and after a time. */
  phases(start: number, end: number): Readonly<Record<Phase, { inserted: number; longest: number }>> {
    const found = {
      before: { inserted: 0, longest: 0 },
      during: { inserted: 0, longest: 0 },
      after: { inserted: 0, longest: 0 },
    }
    let last = 0
    for (const { at, inserted, longest } of this.#pulses) {
      // What was told of after the end, and had begun before it, waited during the time.
      const phase = found[at < start ? 'before' : at - longest - PULSE <= end ? 'during' : 'after']
      phase.inserted += inserted - last
      phase.longest = Math.max(phase.longest, longest)
      last = inserted
    }
    return found
  }

  /** Waits until so many rows are there. */
  async has(count: number): Promise<void> {
    while (this.total < count && this.#child.exitCode === null) await pause(10)
  }

  /** Lets it insert the rows that it keeps for the time after the take-over. */
  goOn(): void {
    if (this.#child.connected) this.#child.send('taken over')
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

/** Takes over, delivers, and checks. */
async function takeOverUnderLoad(
  t: TestContext,
  database: DjangoDatabase,
  old: string,
  task: Omit<DjangoTask, 'rows'>,
): Promise<void> {
  await database.run(old)
  const ids = new Set<string>()
  let deliveries = 0
  const backend: Backend = {
    capabilities: { ordersWithinSend: true },
    async send(events) {
      for (const event of events) {
        ids.add(event.id)
        deliveries++
        assert.equal(event.type, 'order.created')
      }
      return events.map(() => delivered)
    },
    healthCheck: async () => ({ healthy: true }),
    close: async () => {},
  }
  const application = new Application({ ...task, rows: NEW })
  try {
    await using broadcaster = new Broadcaster({ store: database.store, backends: { default: backend } })
    await application.has(NEW / 20)
    const start = Date.now()
    const status = await database.store.schema.migrate()
    const end = Date.now()
    application.goOn()
    assert.equal(status.version, status.latest)
    const worker = broadcaster.worker({ batchSize: 500 })
    await worker.start()
    await application.ended
    for (const limit = performance.now() + 120_000; ids.size < OLD + NEW && performance.now() < limit; ) await pause(50)
    await worker.stop()
    const { before, during, after } = application.phases(start, end)
    t.diagnostic(
      `${OLD} old rows, ${before.inserted} + ${during.inserted} + ${after.inserted} ` +
        `inserted before, during and after the take-over, which took ${((end - start) / 1_000).toFixed(1)} s; ` +
        `${ids.size} delivered, ${deliveries - ids.size} twice; an insert of 5 rows waited at most ` +
        `${before.longest.toFixed(0)} ms before, ${during.longest.toFixed(0)} ms during, ${after.longest.toFixed(0)} ms after`,
    )
    assert.equal(application.total, NEW)
    assert.ok(after.inserted > 0, 'the application had ended before the take-over did')
    assert.equal(ids.size, OLD + NEW, 'lost')
    const rows = await broadcaster.events.filter({ status: 'published' }).count()
    assert.equal(rows, OLD + NEW, 'stuck')
    assert.equal(await broadcaster.events.exclude({ status: 'published' }).count(), 0)
  } finally {
    application.kill()
  }
}

/** Old rows in one statement: one in ten between retries, one in a thousand stuck in `processing`. */
const COLUMNS = `(id, spec_version, event_type, source, subject, data_content_type, data_schema, data, status, created_at,
  updated_at, scheduled_at, published_at, retry_count, max_retries, last_error, publisher_backend, publisher_config)`
const STATUS = `CASE WHEN n % 1000 = 0 THEN 'processing' WHEN n % 10 = 0 THEN 'retry' ELSE 'pending' END`

// Two at a time: the worker and the application wait for each other half of the time.
describe('a table taken over while it is in use', { concurrency: 2 }, () => {
  test(`PostgreSQL: ${ROWS} rows while the table is taken over`, async (t) => {
    const server = requireServer(t, 'postgres')
    if (!server) return
    const database = await postgresDjango(server.url)
    try {
      const old = `INSERT INTO outbox_events ${COLUMNS}
        SELECT gen_random_uuid(), '1.0', 'order.created', '/orders', '', 'application/json', '',
          jsonb_build_object('n', n), ${STATUS}, now() - n * interval '1 second', now(), now(), NULL, 0, 3, '', '', '{}'
        FROM generate_series(1, ${OLD}) AS n`
      const place = { database: 'postgres', place: server.url, schema: database.schema, writers: 4, pause: 2 } as const
      await takeOverUnderLoad(t, database, old, place)
    } finally {
      await database.close()
    }
  })

  test(`SQLite: ${ROWS} rows while the table is taken over`, async (t) => {
    const database = await sqliteDjango()
    try {
      const old = `INSERT INTO outbox_events ${COLUMNS}
        WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < ${OLD})
        SELECT lower(hex(randomblob(16))), '1.0', 'order.created', '/orders', '', 'application/json', '',
          json_object('n', n), ${STATUS}, strftime('%Y-%m-%d %H:%M:%f', 'now', -n || ' seconds'),
          strftime('%Y-%m-%d %H:%M:%f', 'now'), strftime('%Y-%m-%d %H:%M:%f', 'now'), NULL, 0, 3, '', '', '{}'
        FROM series`
      await takeOverUnderLoad(t, database, old, { database: 'sqlite', place: database.path, writers: 1, pause: 1 })
    } finally {
      await database.close()
    }
  })

  for (const { name, title } of MYSQL_SERVERS) {
    test(`${title}: ${ROWS} rows while the table is taken over`, async (t) => {
      if (!requireServer(t, name)) return
      const database = await mysqlDjango(name)
      try {
        const old = `INSERT INTO outbox_events ${COLUMNS}
          SELECT LOWER(REPLACE(UUID(), '-', '')), '1.0', 'order.created', '/orders', '', 'application/json', '',
            JSON_OBJECT('n', seq), ${STATUS.replaceAll('n %', 'seq %')}, UTC_TIMESTAMP(6) - INTERVAL seq SECOND,
            UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), NULL, 0, 3, '', '', '{}'
          FROM ${numbers(OLD)}`
        await takeOverUnderLoad(t, database, old, { database: 'mysql', place: database.url, writers: 4, pause: 2 })
      } finally {
        await database.close()
      }
    })
  }
})
