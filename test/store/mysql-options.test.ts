import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createPool as createCallbackPool } from 'mysql2'
import { createPool, type Pool, type PoolConnection, type PoolOptions, type RowDataPacket } from 'mysql2/promise'
import { type MysqlOptions, mysql } from '../../src/store/mysql/mysql.ts'
import type { Store } from '../../src/store/store.ts'
import { runConformance } from '../../src/testing/conformance.ts'
import {
  deleteNow,
  insert,
  insertIn,
  insertOne,
  moveNow,
  NAMES,
  newEvent,
  own,
  read,
  until,
} from '../../src/testing/store/steps.ts'
import { type StoreCase, storeConformance } from '../../src/testing/store-conformance.ts'
import { MYSQL_SERVERS } from '../support/mysql-servers.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { Fixtures, openPlace } from './mysql-place.ts'

const cannot = { wake: 'MySQL cannot announce commits; relays poll' }

/** How often RETURNING was left out. */
let left = 0

/** What of a statement's answer a server that is not MariaDB would not send: RETURNING stands in a comment of MariaDB's. */
function withoutReturning(pool: Pool): Pool {
  const leaveOut = (): string => {
    left++
    return ''
  }
  const plain = (query: { readonly sql: string }) => ({
    ...query,
    sql: query.sql.replace(/\/\*M! RETURNING.*\*\//s, leaveOut),
  })
  const connection = (target: PoolConnection): PoolConnection =>
    new Proxy(target, {
      get(_, name) {
        const member: unknown = Reflect.get(target, name, target)
        if (typeof member !== 'function') return member
        if (name !== 'query' && name !== 'execute') return member.bind(target)
        return (query: string | { readonly sql: string }) =>
          Reflect.apply(member, target, [typeof query === 'string' ? query : plain(query)])
      },
    })
  return new Proxy(pool, {
    get: (target, name) =>
      name === 'getConnection'
        ? async () => connection(await target.getConnection())
        : (Reflect.get(target, name, target) as unknown),
  })
}

/** Cases in which the client's or the session's settings could matter. */
const touchy: readonly StoreCase[] = storeConformance.filter(({ name }) =>
  /^(publish|fidelity|inbox|fetch|unpark|list): /.test(name),
)

/** Settings of a pool that belong to the application. */
const POOLS: Readonly<Record<string, PoolOptions>> = {
  'dates as strings, rows as arrays': { dateStrings: true, rowsAsArray: true, timezone: '+05:30' },
  'a typeCast of its own': { typeCast: (field, next) => (field.type === 'VAR_STRING' ? 'cast' : next()) },
  'no typeCast': { typeCast: false },
  'big numbers as strings, named placeholders': {
    supportBigNumbers: true,
    bigNumberStrings: true,
    decimalNumbers: true,
    namedPlaceholders: true,
    nestTables: true,
  } as PoolOptions,
  'changed rows counted, not found ones': { flags: ['-FOUND_ROWS'] },
}

/** Settings of a session. */
const SESSIONS: Readonly<Record<string, readonly string[]>> = {
  'backslashes that escape nothing, quotes that name columns': [
    "SET sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PIPES_AS_CONCAT,STRICT_TRANS_TABLES,ONLY_FULL_GROUP_BY'",
  ],
  'no strict mode': ["SET sql_mode = ''"],
  'another time zone, READ COMMITTED': [
    "SET time_zone = '-11:00', lc_time_names = 'de_DE'",
    'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
  ],
}

for (const { name: server, title } of MYSQL_SERVERS) {
  describe(`settings of the application, on ${title}`, { skip: skipWithout(server) }, () => {
    const url = servers[server]()?.url ?? ''
    const runner = { test, skip: (name: string, reason: string) => test(name, { skip: reason }, () => {}) }
    const runOn = (name: string, options: PoolOptions, wrap?: (pool: Pool) => Pool): void => {
      describe(name, () => {
        const fixtures = new Fixtures(url, options, wrap)
        after(() => fixtures.close())
        runConformance(runner, touchy, () => fixtures.next(), cannot)
      })
    }

    for (const [name, options] of Object.entries(POOLS)) runOn(name, options)
    for (const [name, settings] of Object.entries(SESSIONS)) {
      runOn(name, {}, (pool) => {
        pool.removeAllListeners('connection').on('connection', (connection) => {
          for (const setting of settings) void connection.query(setting)
        })
        return pool
      })
    }
    if (server === 'mariadb') {
      runOn('an INSERT that returns no rows, as on MySQL', {}, withoutReturning)
      test('the control: RETURNING was left out', () => assert.ok(left > 100, `${left} times`))
    }
  })
}

/** Text that a collation may take for other text. */
const ALIKE = ['a', 'A', 'a ', ' a', 'á', 'ß', 'ss', 'ſ', '🔑', '🔐', 'a\u0000', 'Å', 'A\u030a', "a'", 'a\\', '']

for (const { name: server, title } of MYSQL_SERVERS) {
  describe(`text on ${title}`, { skip: skipWithout(server) }, () => {
    const url = servers[server]()?.url ?? ''
    async function withStore(work: (store: Store, pool: Pool) => Promise<void>): Promise<void> {
      const place = await openPlace(url)
      const store: Store = mysql({ pool: place.pool }) as Store
      try {
        await store.schema.migrate({ lanes: 4 })
        await work(store, place.pool)
      } finally {
        await place.close()
      }
    }

    test('what only looks alike is not the same: ids, sources, backends, keys, consumers', () =>
      withStore(async (store) => {
        const some = ALIKE.filter((text) => text !== '')
        for (const rows of [
          await insert(store, ...some.map((eventId) => newEvent({ eventId }))),
          await insert(store, ...some.map((source) => newEvent({ eventId: 'same', source }))),
          await insert(store, ...ALIKE.map((publisherBackend) => newEvent({ eventId: 'one', publisherBackend }))),
          await insert(store, ...some.map((partitionKey) => newEvent({ partitionKey, keyHash: 1, subject: 'keyed' }))),
        ]) {
          assert.ok(rows.length >= some.length, `${rows.length} of ${some.length}`)
        }
        for (const backend of some) {
          const fetched = await store.relay.fetch(
            [backend],
            [0, 1, 2, 3].map((lane) => ({ lane, after: 0, limit: 100 })),
          )
          assert.deepEqual(
            fetched.map((row) => row.publisherBackend),
            [backend],
          )
          assert.equal(await store.admin.count([{ column: 'publisherBackend', op: 'eq', value: backend }]), 1)
          assert.equal(await store.admin.count([{ column: 'partitionKey', op: 'eq', value: backend }]), 1)
          assert.equal(await store.admin.count([{ column: 'publisherBackend', op: 'in', values: [backend] }]), 1)
        }
        // Each backend has lanes, owners and a breaker of its own.
        const worker = await store.coordination.enter({ name: 'w', backends: some, lease: 60_000 })
        assert.equal((await store.coordination.survey(some)).lanes.length, some.length * 4)
        for (const backend of some) {
          const { lanes } = await store.coordination.survey([backend])
          assert.deepEqual([...new Set(lanes.map((lane) => lane.backend))], [backend])
          assert.equal((await store.coordination.claim(worker, lanes)).length, 4)
          assert.equal(await store.coordination.breakers.open(backend, 1000, 'down'), true)
        }
      }))

    test('the same in columns that ignore case, accents and trailing spaces, as Django makes them', () =>
      withStore(async (store, pool) => {
        const columns = ['source varchar(255)', 'publisher_backend varchar(100)', 'event_type varchar(255)']
        for (const column of columns) {
          await pool.query(
            `ALTER TABLE outbox_events MODIFY ${column} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL`,
          )
        }
        const some = ['a', 'A', 'a ', 'á', 'b']
        const lanes = [0, 1, 2, 3]
        assert.equal((await insert(store, ...some.map((source) => newEvent({ eventId: 'same', source })))).length, 5)
        const due = await insert(
          store,
          ...some.map((publisherBackend) => newEvent({ publisherBackend, eventType: publisherBackend, delay: 1 })),
        )
        assert.equal(due.length, 5)
        for (const name of some) {
          const one = async (): Promise<boolean> => (await store.relay.unpark([name], lanes, 10)).woken.length === 1
          await until('it is due', one)
          const fetched = await store.relay.fetch(
            [name],
            lanes.map((lane) => ({ lane, after: 0, limit: 10 })),
          )
          assert.deepEqual(
            fetched.map((row) => row.publisherBackend),
            [name],
          )
          for (const column of ['publisherBackend', 'eventType'] as const) {
            assert.equal(await store.admin.count([{ column, op: 'eq', value: name }]), 1)
          }
          assert.equal(await store.admin.count([{ column: 'source', op: 'endsWith', value: name }]), 1)
        }
        const { backends } = await store.admin.look()
        assert.deepEqual(
          backends.map(({ backend, ready }) => `${backend}:${ready.count}`).toSorted(),
          [...some, 'default'].map((name) => `${name}:${name === 'default' ? 5 : 1}`).toSorted(),
        )
      }))

    test('a failed event blocks its own key, and none that looks like it', () =>
      withStore(async (store) => {
        const { ownership } = await own(store)
        const keys = ALIKE.filter((text) => text !== '')
        const heads = await insert(store, ...keys.map((partitionKey) => newEvent({ partitionKey, keyHash: 1 })))
        const behind = await insert(store, ...keys.map((partitionKey) => newEvent({ partitionKey, keyHash: 1 })))
        const [head] = heads
        assert.ok(head)
        await store.relay.settle(ownership, [
          { kind: 'failed', generation: 0, id: head.id, lane: head.lane, retryCount: 1, blocks: true, error: 'no' },
          ...behind.map(({ id, lane }) => ({ kind: 'park', generation: 0, id, lane, delay: null }) as const),
        ])
        const held = await store.relay.reconcile(NAMES, [0, 1, 2, 3])
        assert.deepEqual(
          held.map(({ partitionKey }) => partitionKey),
          ['a'],
        )
        const parked = await store.admin.list({
          where: [{ column: 'availableAt', op: 'isNull', value: false }],
          order: [],
          limit: null,
          offset: 0,
          columns: ['id'],
        })
        assert.deepEqual(parked.map(({ id }) => id).toSorted(), [head.id, behind[0]?.id].toSorted())
      }))

    test('errors, names and progress of any text are stored as they are', () =>
      withStore(async (store) => {
        const { ownership } = await own(store, { name: 'it\'s \\ " 🎉 ; DROP TABLE outbox_events; --' })
        const { id, lane } = await insertOne(store)
        const error = "it's \\' \\\\ \" \n \u0000 🎉 ? :name $x /* */ -- '"
        const progress = JSON.stringify({ error })
        await store.relay.settle(ownership, [
          { kind: 'retry', generation: 0, id, lane, retryCount: 1, delay: 0, error, progress },
        ])
        const stored = await read(store, id)
        assert.equal(stored.lastError, error)
        assert.equal(stored.progress, progress)
        const [attempt] = JSON.parse(stored.attempts ?? '[]') as { worker: string; error: string; at: string }[]
        assert.equal(attempt?.error, error)
        assert.equal(attempt?.worker, 'it\'s \\ " 🎉 ; DROP TABLE outbox_events; --')
        assert.match(attempt?.at ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      }))

    test('microseconds that others wrote are kept, and seen to the millisecond', () =>
      withStore(async (store, pool) => {
        await pool.query(
          "INSERT INTO outbox_events (event_type, source, publisher_backend, created_at) VALUES ('t', '/s', 'default', '2026-03-29 02:30:00.123999')",
        )
        const at = new Date('2026-03-29T02:30:00.123Z')
        const [row] = await store.admin.list({
          where: [{ column: 'createdAt', op: 'eq', value: at }],
          order: [],
          limit: null,
          offset: 0,
          columns: ['createdAt'],
        })
        assert.equal(row?.createdAt?.getTime(), at.getTime())
      }))

    test(
      'an id in a native uuid column is read and found all the same',
      { skip: server === 'mysql' && 'MySQL has no type uuid' },
      () =>
        withStore(async (store, pool) => {
          await pool.query('ALTER TABLE outbox_events MODIFY id uuid NOT NULL')
          const { ownership } = await own(store)
          const rows = await insert(store, newEvent(), newEvent({ eventId: 'e' }), newEvent())
          const fetched = await store.relay.fetch(
            NAMES,
            [0, 1, 2, 3].map((lane) => ({ lane, after: 0, limit: 10 })),
          )
          assert.deepEqual(fetched.map(({ id }) => id).toSorted(), rows.map(({ id }) => id).toSorted())
          const at = (n: number) => ({ id: rows[n]?.id ?? '', lane: rows[n]?.lane ?? 0 })
          const report = await store.relay.settle(ownership, [
            { kind: 'published', generation: 0, ...at(0) },
            { kind: 'retry', generation: 0, ...at(1), retryCount: 1, delay: 0, error: 'no' },
            { kind: 'park', generation: 0, ...at(2), delay: null, behind: at(1).id },
          ])
          assert.deepEqual(report.lost, [])
          assert.equal((await read(store, at(0).id)).status, 'published')
          assert.deepEqual(await moveNow(store, [at(1).id], { kind: 'cancel' }), [at(1).id])
          assert.deepEqual(await deleteNow(store, at(2).id), [at(2).id])
        }),
    )
  })
}

describe('options of mysql()', () => {
  const refused = (options: unknown, ...words: readonly RegExp[]): void => {
    assert.throws(
      () => mysql(options as MysqlOptions),
      (error: Error & { code?: string }) =>
        error.code === 'INVALID_OPTION' && words.every((word) => word.test(error.message)),
    )
  }

  test('one way to connect, no more, and of the right kind', async () => {
    refused({}, /pool is missing/)
    refused(undefined, /pool is missing/)
    refused({ url: 'postgres://x' }, /mysql:\/\/user@host/)
    refused({ url: 'mysql://x', pool: {} }, /together with url/)
    refused({ pool: 7 }, /mysql2\/promise/)
    refused({ url: 'mysql://x', tabel: 'x' }, /tabel is not an option.*table/)
    refused({ url: 'mysql://x', table: 'a-b', database: '`' }, /table/, /database/)
    const callback = createCallbackPool('mysql://root@127.0.0.1:1/test')
    refused({ pool: callback }, /pool\.promise\(\)/)
    callback.end(() => undefined)
    const pool = createPool('mysql://root@127.0.0.1:1/test')
    assert.equal(mysql({ pool }).dialect, 'mysql')
    await pool.end()
  })

  test('a server that is away is STORE_UNAVAILABLE, a closed store is CLOSED', async () => {
    const store = mysql({ url: 'mysql://root@127.0.0.1:1/test' })
    await assert.rejects(store.admin.count([]), { code: 'STORE_UNAVAILABLE' })
    await store.close()
    await store.close()
    await assert.rejects(store.admin.count([]), { code: 'CLOSED' })
  })
})

for (const { name: server, title } of MYSQL_SERVERS) {
  describe(`mysql() on ${title}`, { skip: skipWithout(server) }, () => {
    const url = servers[server]()?.url ?? ''

    test('another database, another table, and a pool without autocommit', async () => {
      const place = await openPlace(url)
      const options = { pool: place.pool, database: place.database, table: 'billing_events' }
      const elsewhere = createPool({ uri: url })
      try {
        const store: Store = mysql({ ...options, pool: elsewhere }) as Store
        assert.equal(store.description, `mysql ${place.database}.billing_events`)
        await assert.rejects(store.admin.count([]), { code: 'SCHEMA_MISSING' })
        await store.schema.migrate()
        await insertOne(store)
        const [tables] = await place.pool.query('SHOW TABLES')
        assert.equal((tables as unknown[]).length, 15)
        const off = createPool({ uri: place.url })
        off.on('connection', (connection) => void connection.query('SET autocommit = 0'))
        try {
          const without = mysql({ ...options, pool: off })
          await assert.rejects(without.coordination.enter({ name: 'w', backends: ['b'], lease: 1000 }), {
            code: 'INVALID_OPTION',
            message: /autocommit/,
          })
          // In a transaction of the caller's there it does not matter.
          const connection = await off.getConnection()
          await insertIn(store, connection, [newEvent()])
          await connection.commit()
          connection.release()
        } finally {
          await off.end()
        }
        assert.equal(await store.admin.count([]), 2)
      } finally {
        await elsewhere.end()
        await place.close()
      }
    })

    test('what is larger than max_allowed_packet is told so', async () => {
      const fixtures = new Fixtures(url)
      const { store } = await fixtures.next()
      const pool = createPool({ uri: url, connectionLimit: 1 })
      try {
        const [[limit]] = await pool.query<RowDataPacket[]>('SELECT @@max_allowed_packet AS most')
        const most = Number(limit?.['most'])
        const data = JSON.stringify('x'.repeat(most))
        await store.transaction(async (tx) => {
          await assert.rejects(insertIn(store, tx, [newEvent({ data })]), {
            code: 'EVENT_TOO_LARGE',
            message: /max_allowed_packet/,
          })
          // It was not sent, so the transaction goes on.
          await insertIn(store, tx, [newEvent({ data: JSON.stringify('x'.repeat(2 * 1024 * 1024)) })])
        })
        assert.equal(await store.admin.count([]), 1)
      } finally {
        await pool.end()
        await fixtures.close()
      }
    })
  })
}
