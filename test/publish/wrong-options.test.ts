import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kafka } from '../../src/backend/kafka/kafka.ts'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { mqtt } from '../../src/backend/mqtt/mqtt.ts'
import { natsJetStream } from '../../src/backend/nats/nats.ts'
import { rabbitmq } from '../../src/backend/rabbitmq/rabbitmq.ts'
import { redisStreams } from '../../src/backend/redis-streams/redis-streams.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { kafkaSubscription } from '../../src/consumer/kafka/kafka-subscription.ts'
import { mqttSubscription } from '../../src/consumer/mqtt/mqtt-subscription.ts'
import { natsJetStreamSubscription } from '../../src/consumer/nats/nats-subscription.ts'
import { rabbitmqSubscription } from '../../src/consumer/rabbitmq/rabbitmq-subscription.ts'
import { redisStreamsSubscription } from '../../src/consumer/redis-streams/redis-streams-subscription.ts'
import { describeError } from '../../src/describe-error.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { placeOfUrl } from '../../src/store/place.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'

/** Mistakes of somebody's first hour. Each must be told, with the field and the cure. */

type Factory = (options: never) => unknown

const places: readonly (readonly [Factory, string, object])[] = [
  [postgres, 'url', {}],
  [postgres, 'connectionString', {}],
  [mysql, 'url', {}],
  [redisStreams, 'url', {}],
  [redisStreams, 'host', {}],
  [kafka, 'bootstrapServers', {}],
  [natsJetStream, 'servers', { stream: 's' }],
  [rabbitmq, 'url', {}],
  [mqtt, 'url', {}],
  [redisStreamsSubscription, 'url', {}],
  [kafkaSubscription, 'bootstrapServers', {}],
  [natsJetStreamSubscription, 'servers', { stream: 's' }],
  [rabbitmqSubscription, 'url', {}],
  [mqttSubscription, 'url', { clientId: 'c' }],
]

for (const [factory, field, options] of places) {
  test(`${factory.name}() with a variable that is not set as ${field} does not go to a default`, () => {
    const given = { ...options, [field]: undefined }
    assert.throws(() => factory(given as never), { code: 'INVALID_OPTION', field, message: /environment variable/ })
  })
}

test('a place that is undefined beside another is left out', () => {
  assert.ok(redisStreams({ host: 'h', ...({ url: undefined } as object) }))
  assert.ok(postgres({ url: 'postgres://h/d', connectionString: undefined }))
})

for (const url of ['mysql://root@127.0.0.1/shop', 'hello', 'http://h/d']) {
  test(`postgres() refuses ${url}, which pg would take`, () => {
    assert.throws(() => postgres({ url }), { code: 'INVALID_OPTION', field: 'url', message: /give a URL such as/ })
    const listen = { connectionString: url }
    assert.throws(() => postgres({ url: 'postgres://h/d', listen }), { code: 'INVALID_OPTION', field: 'listen' })
  })
}

test('a socket and both names of the scheme are connection strings', () => {
  for (const url of ['/var/run/postgresql shop', 'postgresql://h/d', 'POSTGRES://h/d', 'socket:/run?db=d'])
    assert.ok(postgres({ url }))
})

test('no part of a password that was not escaped is shown as a host', () => {
  for (const url of ['postgres://u:hunter@2/secret@h/d', 'postgres://u:1/secret@h/d', 'mysql://u:1?secret@h/d']) {
    assert.equal(placeOfUrl(url), 'the place that its connection string names')
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

test('a backend in place of backends is one problem, not one for each of its members', () => {
  const message =
    'the Broadcaster is refused: backends is a backend without a name; give backends by name, such as { default: ... }, or leave it out'
  assert.throws(() => make({ backends: memoryBackend() }), { code: 'INVALID_OPTION', field: 'backends', message })
})

test('an error whose message tells its cause does not tell it twice', () => {
  const cause = new Error('connect ECONNREFUSED')
  assert.equal(
    describeError(new Error('no answer: connect ECONNREFUSED', { cause })),
    'no answer: connect ECONNREFUSED',
  )
  assert.equal(describeError(new Error('no answer', { cause })), 'no answer; caused by connect ECONNREFUSED')
})
