import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BroadcasterError } from '../../src/errors.ts'
import type { OptionTable } from '../../src/foundation/option-table.ts'
import { kafka } from '../../src/kafka/kafka.ts'
import { kafkaSubscription } from '../../src/kafka/kafka-subscription.ts'
import { KAFKA_CONNECTION } from '../../src/kafka/options.ts'
import { mqtt } from '../../src/mqtt/mqtt.ts'
import { mqttSubscription } from '../../src/mqtt/mqtt-subscription.ts'
import { MQTT_CONNECTION } from '../../src/mqtt/options.ts'
import { natsJetStream } from '../../src/nats/nats.ts'
import { natsJetStreamSubscription } from '../../src/nats/nats-subscription.ts'
import { NATS_CONNECTION } from '../../src/nats/options.ts'
import { RABBITMQ_CONNECTION } from '../../src/rabbitmq/options.ts'
import { rabbitmq } from '../../src/rabbitmq/rabbitmq.ts'
import { rabbitmqSubscription } from '../../src/rabbitmq/rabbitmq-subscription.ts'
import { REDIS_CONNECTION } from '../../src/redis-streams/options.ts'
import { redisStreams } from '../../src/redis-streams/redis-streams.ts'
import { redisStreamsSubscription } from '../../src/redis-streams/redis-streams-subscription.ts'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { sqlite } from '../../src/store/sqlite/sqlite.ts'
import { WEBHOOK } from '../../src/webhook/options.ts'
import { webhook } from '../../src/webhook/webhook.ts'
import { webhookReceiver } from '../../src/webhook/webhook-receiver.ts'

/*
 * `password: process.env.PASSWORD` where the variable is not set: what was meant to log in or to sign must not go on without,
 * as nobody, as guest or unsigned.
 */

type Given = Readonly<Record<string, unknown>>
// biome-ignore lint/suspicious/noExplicitAny: what is given is wrong on purpose.
type Factory = (options: any) => unknown

function refused(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    assert.ok(error instanceof BroadcasterError, String(error))
    assert.equal(error.code, 'INVALID_OPTION')
    return error.message
  }
  return assert.fail('accepted')
}

const url = 'http://localhost/events'
const unset = 'is undefined; give it a value (is the environment variable set?), or leave it out'

const owners: readonly (readonly [Factory, Given])[] = [
  [redisStreams, { host: 'h' }],
  [redisStreamsSubscription, { host: 'h' }],
  [rabbitmq, { host: 'h' }],
  [rabbitmqSubscription, { host: 'h' }],
  [kafka, {}],
  [kafkaSubscription, {}],
  [mqtt, {}],
  [mqttSubscription, { clientId: 'c' }],
  [natsJetStream, { stream: 's' }],
  [natsJetStreamSubscription, { stream: 's' }],
  [webhook, { url }],
]

const within: Readonly<Record<string, readonly (readonly [string, Given])[]>> = {
  redisStreams: [
    ['username', { username: undefined }],
    ['password', { password: undefined }],
    ['tls', { tls: undefined }],
    ['tls.key', { tls: { key: undefined } }],
  ],
  rabbitmq: [
    ['username', { username: undefined }],
    ['password', { password: undefined }],
    ['tls', { tls: undefined }],
    ['tls.passphrase', { tls: { passphrase: undefined } }],
  ],
  kafka: [
    ['sasl', { sasl: undefined }],
    ['sasl.password', { sasl: { mechanism: 'PLAIN', username: 'u', password: undefined } }],
    ['sasl.token', { sasl: { mechanism: 'OAUTHBEARER', token: undefined } }],
    ['tls', { tls: undefined }],
    ['tls.ca', { tls: { ca: undefined } }],
  ],
  mqtt: [
    ['connection.username', { connection: { username: undefined } }],
    ['connection.password', { connection: { password: undefined } }],
    ['connection.cert', { connection: { cert: undefined } }],
  ],
  natsJetStream: [
    ['connection.user', { connection: { user: undefined } }],
    ['connection.pass', { connection: { pass: undefined } }],
    ['connection.token', { connection: { token: undefined } }],
    ['connection.tls.key', { connection: { tls: { key: undefined } } }],
  ],
  webhook: [
    ['keys', { keys: undefined }],
    ['tls.cert', { tls: { cert: undefined } }],
  ],
}

for (const [factory, needed] of owners) {
  for (const [field, given] of within[factory.name.replace('Subscription', '')] ?? []) {
    test(`${factory.name}() refuses ${field} that is undefined, and takes it left out`, () => {
      const said = refused(() => factory({ ...needed, ...given }))
      assert.equal(said, `${factory.name}() is refused: ${field} ${unset}`)
      assert.doesNotThrow(() => factory(needed))
    })
  }
}

test('every option that says as whom to connect is one', () => {
  const tables: readonly OptionTable[] = [
    ...[KAFKA_CONNECTION, MQTT_CONNECTION, NATS_CONNECTION, RABBITMQ_CONNECTION, REDIS_CONNECTION, WEBHOOK],
  ]
  const rows = tables.flatMap((table) => Object.entries(table))
  const named = rows.filter(([name]) => /^(user(name)?|pass(word)?|token|sasl|keys)$/.test(name))
  assert.equal(named.length, 6)
  for (const [name, { credential }] of named) assert.ok(credential, name)
})

test('of a key that is undefined in a list, or a header, the likely cause is told', () => {
  const cause = /is undefined \(is the environment variable set\?\)/
  assert.match(
    refused(() => webhook({ url, keys: [undefined as unknown as string] })),
    cause,
  )
  assert.match(
    refused(() => webhook({ url, headers: { authorization: undefined as unknown as string } })),
    cause,
  )
  assert.match(
    refused(() => webhookReceiver({ name: 'r', handlers: {}, inbox: false, keys: [undefined as unknown as string] })),
    cause,
  )
})

test('a webhook goes unsigned where keys is false or left out', () => {
  assert.doesNotThrow(() => webhook({ url, keys: false }))
  assert.doesNotThrow(() => webhook({ url }))
})

test('a store that needs a place does not advise to leave it out', () => {
  const needed = 'is undefined; give it a value (is the environment variable set?)'
  assert.equal(
    refused(() => postgres({ url: undefined })),
    `postgres() is refused: url ${needed}`,
  )
  assert.equal(
    refused(() => mysql({ url: undefined })),
    `mysql() is refused: url ${needed}`,
  )
  assert.equal(
    refused(() => sqlite({ path: undefined })),
    `sqlite() is refused: path ${needed}`,
  )
  assert.match(
    refused(() => postgres({ url: 'postgres://h/d', listen: { url: undefined as unknown as string } })),
    /^postgres\(\) is refused: listen is an object whose url is undefined \(is the environment variable set\?\)/,
  )
})
