/**
 * What 1,000 events cost to publish and to deliver on PostgreSQL, in numbers that do not depend on the machine: statements, rows and
 * index entries read, bytes of WAL, memory allocated. Each bound is about a quarter above the number when it was set, so that a
 * change which doubles one fails here, and not in a benchmark long after.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Session } from 'node:inspector/promises'
import { test } from 'node:test'
import { Pool, type PoolClient } from 'pg'
import { type Backend, delivered } from '../../src/backend/backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { servers, skipWithout } from '../support/servers.ts'

const EVENTS = 1_000
/** Of one transaction. */
const EACH = 100
/** Characters of data of each event. */
const SIZE = 300
/** Bytes from one sample of the heap to the next. */
const SAMPLE = 4_096

interface Costs {
  /** Round trips to the database. */
  readonly statements: number
  /** Rows that tables were read for. */
  readonly rows: number
  /** Entries that indexes were read for. */
  readonly entries: number
  /** Bytes of WAL of what writes events. */
  readonly wal: number
  /** Bytes on the heap of this process. */
  readonly allocated: number
}

const MOST = {
  publish: { statements: 38, rows: 500, entries: 500, wal: 900_000, allocated: 21_000_000 },
  deliver: { statements: 20, rows: 2_600, entries: 3_800, wal: 330_000, allocated: 7_600_000 },
} as const satisfies Readonly<Record<string, Costs>>

const nowhere: Backend = {
  send: async (events) => events.map(() => delivered),
  healthCheck: async () => ({ healthy: true }),
  close: async () => {},
  capabilities: { ordersWithinSend: true },
}

test(`${EVENTS} events are published and delivered within their bounds`, {
  skip: skipWithout('postgres'),
}, async (t) => {
  await using outbox = await MeasuredOutbox.open(servers.postgres()?.url ?? '')
  const work = { publish: () => outbox.publish(), deliver: () => outbox.deliver() }
  const costs = await outbox.costsOf(work)
  for (const [what, each] of Object.entries(costs)) {
    t.diagnostic(
      `${what}: ${Object.entries(each)
        .map(([name, count]) => `${Math.round(count)} ${name}`)
        .join(', ')}`,
    )
  }
  // Each is counted.
  for (const name of ['statements', 'rows', 'entries', 'wal', 'allocated'] as const)
    assert.ok(costs.deliver[name] > 0, name)
  for (const what of ['publish', 'deliver'] as const) {
    for (const [name, most] of Object.entries(MOST[what])) {
      const count = costs[what][name as keyof Costs]
      assert.ok(count <= most, `${what}: ${Math.round(count)} ${name} for ${EVENTS} events, and not ${most} at most`)
    }
  }
})

type What = keyof typeof MOST

/** An outbox whose costs are counted. Its worker works in passes: what it does depends on no clock. */
class MeasuredOutbox implements AsyncDisposable {
  readonly #schema = `costs_${randomBytes(6).toString('hex')}`
  readonly #pool: Pool
  /** For what is asked beside the work that is measured. */
  readonly #beside: Pool
  readonly #store: ReturnType<typeof postgres>
  readonly #broadcaster: Broadcaster
  /** Statements whose plans the connections keep, by name. */
  readonly #kept = new Map<string, string>()
  readonly #keptBeside = new Set<string>()
  #statements = 0
  #wal: number | undefined

  static async open(url: string): Promise<MeasuredOutbox> {
    const outbox = new MeasuredOutbox(url)
    await outbox.#store.schema.migrate({ lanes: 8 })
    return outbox
  }

  private constructor(url: string) {
    this.#pool = new Pool({ connectionString: url, max: 4 })
    this.#beside = new Pool({ connectionString: url, max: 1 })
    this.#pool.on('connect', (client) => this.#watch(client))
    this.#store = postgres({ pool: this.#pool, schema: this.#schema })
    this.#broadcaster = new Broadcaster({ store: this.#store, name: this.#schema, backends: { main: nowhere } })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broadcaster.close()
    await this.#pool.end()
    await this.#beside.query(`DROP SCHEMA ${this.#schema} CASCADE`)
    await this.#beside.end()
  }

  async publish(): Promise<void> {
    const data = 'x'.repeat(SIZE)
    for (let first = 0; first < EVENTS; first += EACH) {
      const events = Array.from({ length: EACH }, (_, n) => ({
        type: 'order.created',
        source: '/orders',
        data,
        partitionKey: `order-${(first + n) % 50}`,
      }))
      await this.#broadcaster.transaction((tx) => this.#broadcaster.publishMany(tx, events))
    }
  }

  async deliver(): Promise<void> {
    assert.equal(await this.#broadcaster.worker({ retention: false }).drain(), EVENTS)
  }

  /** Each kind of cost in a pass of its own, for to count one costs some of the others; after one in which plans and code are made. */
  async costsOf(work: Readonly<Record<What, () => Promise<void>>>): Promise<Readonly<Record<What, Costs>>> {
    await work.publish()
    await work.deliver()
    const read = { publish: await this.#readBy(work.publish), deliver: await this.#readBy(work.deliver) }
    const wal = { publish: await this.#walOf(work.publish), deliver: await this.#walOf(work.deliver) }
    const memory = { publish: await allocatedBy(work.publish), deliver: await allocatedBy(work.deliver) }
    const all = (what: What): Costs => ({ ...read[what], wal: wal[what], allocated: memory[what] })
    return { publish: all('publish'), deliver: all('deliver') }
  }

  async #readBy(work: () => Promise<void>): Promise<Pick<Costs, 'statements' | 'rows' | 'entries'>> {
    const before = await this.#read()
    this.#statements = 0
    await work()
    const statements = this.#statements
    const after = await this.#read()
    return { statements, rows: after.rows - before.rows, entries: after.entries - before.entries }
  }

  /** What was read of the tables of this test since they were made. */
  async #read(): Promise<{ readonly rows: number; readonly entries: number }> {
    // A connection tells what it did when it ends, or when it is asked to.
    const clients = await Promise.all(Array.from({ length: this.#pool.totalCount }, () => this.#pool.connect()))
    for (const client of clients) await client.query('SELECT pg_stat_force_next_flush()')
    for (const client of clients) await client.query('SELECT 1')
    for (const client of clients) client.release()
    const sum = async (text: string): Promise<number> => {
      const { rows } = await this.#beside.query(`SELECT sum(${text} WHERE schemaname = $1`, [this.#schema])
      return Number(rows[0].sum)
    }
    return {
      rows: await sum('coalesce(idx_tup_fetch, 0) + seq_tup_read) FROM pg_stat_user_tables'),
      entries: await sum('idx_tup_read) FROM pg_stat_user_indexes'),
    }
  }

  async #walOf(work: () => Promise<void>): Promise<number> {
    this.#wal = 0
    await work()
    const wal = this.#wal
    this.#wal = undefined
    return wal
  }

  /** Counts the queries of a connection. While WAL is measured, each that writes events is tried out first, and rolled back. */
  #watch(client: PoolClient): void {
    const { query } = client
    let before: Promise<unknown> = Promise.resolve()
    const watched = (...given: readonly unknown[]): unknown => {
      this.#statements++
      const [asked] = given as [string | { readonly text: string; readonly values?: unknown[] }]
      const { text, values = given[1] as unknown[] | undefined } = typeof asked === 'string' ? { text: asked } : asked
      const [, name, body] = /^PREPARE (\w+) AS (.*)$/s.exec(withoutSettings(text)) ?? []
      if (name !== undefined && body !== undefined) this.#kept.set(name, body)
      if (this.#wal === undefined) return Reflect.apply(query, client, given)
      before = before.then(() => this.#tryOut(text, values))
      return before.then(() => Reflect.apply(query, client, given))
    }
    client.query = watched as typeof query
  }

  async #tryOut(text: string, values: unknown[] | undefined): Promise<void> {
    const statement = withoutSettings(text)
    // A connection that had none of it before: preparing writes nothing.
    if (statement.startsWith('PREPARE ')) return
    const kept = /^EXECUTE (\w+)\(/.exec(statement)?.[1]
    const written = kept === undefined ? statement : (this.#kept.get(kept) ?? '')
    if (!/\b(INSERT INTO|UPDATE|DELETE FROM)\s+\S*outbox_events/.test(written)) return
    if (kept !== undefined && !this.#keptBeside.has(kept)) await this.#beside.query(`PREPARE ${kept} AS ${written}`)
    if (kept !== undefined) this.#keptBeside.add(kept)
    const bytes: number[] = []
    // The first after a checkpoint writes whole pages.
    for (let n = 0; n < 2; n++) {
      await this.#beside.query('BEGIN')
      const { rows } = await this.#beside.query(`EXPLAIN (ANALYZE, WAL, FORMAT JSON) ${statement}`, values ?? [])
      await this.#beside.query('ROLLBACK')
      const [{ 'QUERY PLAN': plans }] = rows as [{ 'QUERY PLAN': readonly { readonly Plan: Plan }[] }]
      bytes.push(plans.reduce((sum, { Plan }) => sum + (Plan['WAL Bytes'] ?? 0), 0))
    }
    this.#wal = (this.#wal ?? 0) + Math.min(...bytes)
  }
}

/** Limits and settings of one statement stand before it, in one batch. */
function withoutSettings(text: string): string {
  return text.replace(/^(\s*SET LOCAL [^;]*;)*\s*/, '')
}

interface Plan {
  /** With what is below it. */
  readonly 'WAL Bytes'?: number
}

/** By samples: of what is gone by the end as well as of what is there. */
async function allocatedBy(work: () => Promise<void>): Promise<number> {
  const session = new Session()
  session.connect()
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: SAMPLE,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  })
  await work()
  const { profile } = await session.post('HeapProfiler.stopSampling')
  session.disconnect()
  return sizeOf(profile.head)
}

interface ProfileNode {
  readonly selfSize: number
  readonly children: readonly ProfileNode[]
}

function sizeOf({ selfSize, children }: ProfileNode): number {
  return children.reduce((sum, each) => sum + sizeOf(each), selfSize)
}
