import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pool } from 'pg'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { describeError } from '../../src/foundation/describe-error.ts'
import { HandlerRegistry } from '../../src/handlers/handler-registry.ts'
import { kafka } from '../../src/kafka/kafka.ts'
import { kafkaSubscription } from '../../src/kafka/kafka-subscription.ts'
import { mqtt } from '../../src/mqtt/mqtt.ts'
import { mqttSubscription } from '../../src/mqtt/mqtt-subscription.ts'
import { natsJetStream } from '../../src/nats/nats.ts'
import { natsJetStreamSubscription } from '../../src/nats/nats-subscription.ts'
import { rabbitmq } from '../../src/rabbitmq/rabbitmq.ts'
import { rabbitmqSubscription } from '../../src/rabbitmq/rabbitmq-subscription.ts'
import { redisStreams } from '../../src/redis-streams/redis-streams.ts'
import { redisStreamsSubscription } from '../../src/redis-streams/redis-streams-subscription.ts'
import { WorkerPool } from '../../src/relay/worker-pool.ts'
import { resolveCapture } from '../../src/store/capture.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { placeOfUrl } from '../../src/store/place.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import { webhook } from '../../src/webhook/webhook.ts'

/** Mistakes of somebody's first hour. Each must be told, with the field and the cure. */

type Factory = (options: never) => unknown

const places: readonly (readonly [Factory, string, object])[] = [
  [postgres, 'url', {}],
  [mysql, 'url', {}],
  [sqlite, 'path', {}],
  [webhook, 'url', {}],
  [natsJetStream, 'stream', {}],
  [redisStreams, 'url', {}],
  [redisStreams, 'host', {}],
  [kafka, 'bootstrapServers', {}],
  [natsJetStream, 'url', { stream: 's' }],
  [rabbitmq, 'url', {}],
  [mqtt, 'url', {}],
  [redisStreamsSubscription, 'url', {}],
  [kafkaSubscription, 'bootstrapServers', {}],
  [natsJetStreamSubscription, 'url', { stream: 's' }],
  [rabbitmqSubscription, 'url', {}],
  [mqttSubscription, 'url', { clientId: 'c' }],
]

for (const [factory, field, options] of places) {
  test(`${factory.name}() with a variable that is not set as ${field} does not go to a default`, () => {
    const given = { ...options, [field]: undefined }
    assert.throws(() => factory(given as never), { code: 'INVALID_OPTION', field, message: /environment variable/ })
  })
}

test('sqlite() says how to name the file, and refuses what is not in one, or is told twice', () => {
  const database = { location: () => '/tmp/shop.db' }
  assert.ok(sqlite({ database, path: undefined }))
  const refused: readonly (readonly [object, string, RegExp])[] = [
    [{}, 'path', /give either path or database/],
    [{ path: 'a.db', database }, 'path', /has no effect beside database/],
    [{ path: ':memory:' }, 'path', /memoryStore/],
    [{ database: { location: () => null } }, 'database', /memoryStore/],
    [{ path: 'a.db', busyTimeout: 0.5 }, 'busyTimeout', /give milliseconds from 0/],
    [{ path: 'a.db', sync: 'full' }, 'sync', /the options are/],
    [{ path: 'a.db', synchronus: 'full' }, 'synchronus', /did you mean "synchronous"/],
  ]
  for (const [options, field, message] of refused) {
    assert.throws(() => sqlite(options as never), { code: 'INVALID_OPTION', field, message })
  }
})

test('memoryStore() refuses an option that it does not have, and one that does not fit', () => {
  assert.throws(() => memoryStore({ lane: 3 } as never), { field: 'lane', message: /did you mean "lanes"/ })
  assert.throws(() => memoryStore({ now: 5 } as never), { field: 'now', message: /give a function/ })
  assert.throws(() => memoryStore({ sharedWith: {} } as never), {
    field: 'sharedWith',
    message: /another memory store/,
  })
})

test('capture refuses an option that it does not have', () => {
  assert.throws(() => resolveCapture({ table: 'orders', omitt: [] } as never), { message: /did you mean "omit"/ })
  assert.throws(() => resolveCapture({} as never), { field: 'table', message: /is missing; give the name of a table/ })
})

test('a place that is undefined beside another is left out', () => {
  assert.ok(redisStreams({ host: 'h', ...({ url: undefined } as object) }))
  assert.ok(postgres({ url: 'postgres://h/d', pool: undefined } as never))
})

for (const url of ['mysql://root@127.0.0.1/shop', 'hello', 'http://h/d']) {
  test(`postgres() refuses ${url}, which pg would take`, () => {
    assert.throws(() => postgres({ url }), { code: 'INVALID_OPTION', field: 'url', message: /give a URL such as/ })
    const listen = { url }
    assert.throws(() => postgres({ url: 'postgres://h/d', listen }), { code: 'INVALID_OPTION', field: 'listen' })
  })
}

test('a socket and both names of the scheme are connection strings', () => {
  for (const url of ['/var/run/postgresql shop', 'postgresql://h/d', 'POSTGRES://h/d', 'socket:/run?db=d'])
    assert.ok(postgres({ url }))
})

test('no part of a password that was not escaped is shown as a host', () => {
  for (const url of ['postgres://u:hunter@2/secret@h/d', 'postgres://u:1/secret@h/d', 'mysql://u:1?secret@h/d']) {
    assert.equal(placeOfUrl(url), 'the address in its connection string')
  }
  assert.equal(placeOfUrl('postgres://u:hunter%402@h:5432/d'), 'h:5432/d')
})

const make = (options: object): Broadcaster => new Broadcaster({ store: memoryStore(), ...options } as never)

const routes: readonly (readonly [unknown, string, RegExp])[] = [
  [{ 'a.*': 'one' }, 'routes', /give a list/],
  [['a.*'], 'routes[0]', /give \{ type, to \}/],
  [[{ typ: 'a.*', to: 'one' }], 'routes[0].typ', /did you mean "type"/],
  [[{ to: 'one' }], 'routes[0].type', /give a text, or a list/],
  [[{ type: 'a.*' }], 'routes[0].to', /give a text, or a list/],
]

for (const [given, field, message] of routes) {
  test(`routes: ${JSON.stringify(given)} is refused`, () => {
    const options = { backends: { one: memoryBackend() }, routes: given }
    assert.throws(() => make(options), { code: 'INVALID_OPTION', field, message })
  })
}

for (const [worker, field, message] of [
  [{ retention: { publishd: 1 } }, 'worker.retention.publishd', /did you mean "published"/],
  [{ retention: { published: -1 } }, 'worker.retention.published', /give milliseconds/],
  [{ breaker: { probeEvry: 1 } }, 'worker.breaker.probeEvry', /is not an option/],
  [{ batchsiz: 1 }, 'worker.batchsiz', /did you mean "batchSize"/],
  [{ batchSize: 0 }, 'worker.batchSize', /is 0; give a whole number/],
  [{ retry: 'often' }, 'worker.retry', /give/],
  [7, 'worker', /give \{ name, backends/],
] as const) {
  test(`worker: ${JSON.stringify(worker)} is refused by the constructors, before there is a worker`, () => {
    const wrong = { code: 'INVALID_OPTION', message }
    assert.throws(() => make({ backends: { one: memoryBackend() }, worker }), { ...wrong, field })
    assert.throws(() => new WorkerPool([], { worker } as never), { ...wrong, field: `pool.${field}` })
  })
}

test('a worker option of the constructor may need another one of worker()', () => {
  const broadcaster = make({ backends: { one: memoryBackend() }, worker: { maxInHand: 50, retention: undefined } })
  assert.equal(broadcaster.worker({ batchSize: 10 }).options.maxInHand, 50)
  assert.throws(() => broadcaster.worker(), { field: 'worker.maxInHand' })
})

test('a worker option that is undefined leaves the one of the constructor', () => {
  const broadcaster = make({ backends: { one: memoryBackend() }, worker: { batchSize: 7, lease: 20_000 } })
  const { batchSize, lease, concurrency } = broadcaster.worker({ batchSize: undefined, lease: 30_000 }).options
  assert.deepEqual(
    [batchSize, lease, concurrency],
    [7, 30_000, make({ backends: { one: memoryBackend() } }).worker().options.concurrency],
  )
})

test('a backend in place of backends is one problem, not one for each of its members', () => {
  const message =
    'the Broadcaster is refused: backends is a backend without a name; give backends by name, such as { default: ... }, or leave it out'
  assert.throws(() => make({ backends: memoryBackend() }), { code: 'INVALID_OPTION', field: 'backends', message })
})

test('a pool in place of the options is one problem', async () => {
  const pool = new Pool({ connectionString: 'postgres://u@127.0.0.1:1/none' })
  assert.throws(() => postgres(pool as never), {
    code: 'INVALID_OPTION',
    field: 'options',
    message: 'postgres() is refused: options are of the class BoundPool; give { pool }',
  })
  await pool.end()
})

test('a handler is registered with options that it has', () => {
  const registry = new HandlerRegistry()
  for (const options of [{ transactional: true }, { nmae: 'a' }]) {
    assert.throws(() => registry.on('a.*', () => undefined, options as never), {
      code: 'INVALID_OPTION',
      message: /on\(\) is refused: \w+ is not an option/,
    })
  }
  assert.equal(registry.size, 0)
})

test('what others call the key and the due time is told by our name', async () => {
  const broadcaster = make({ backends: { one: memoryBackend() } })
  const event = { type: 'a', source: '/s' }
  const said = async (extra: object, options = {}): Promise<string> => {
    const published = broadcaster.events.create({ ...event, ...extra }, options)
    return published.then(String, (error: Error) => error.message)
  }
  assert.match(await said({ key: 'k' }), /key is not a member of an event; the key is `partitionKey`/)
  assert.match(
    await said({ at: new Date() }),
    /the due time is `scheduledAt`, an option of publish: the third argument/,
  )
  assert.match(await said({}, { key: 'k' }), /key is not an option of publish; the key is `partitionKey`/)
  assert.match(await said({}, { at: new Date() }), /at is not an option of publish; the due time is `scheduledAt`/)
  assert.match(await said({ type: '' }), /type is empty; give a text$/)
})

test('an error whose message tells its cause does not tell it twice', () => {
  const cause = new Error('connect ECONNREFUSED')
  assert.equal(
    describeError(new Error('no answer: connect ECONNREFUSED', { cause })),
    'no answer: connect ECONNREFUSED',
  )
  assert.equal(describeError(new Error('no answer', { cause })), 'no answer; caused by connect ECONNREFUSED')
})
