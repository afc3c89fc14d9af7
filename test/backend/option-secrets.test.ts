import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { Broadcaster } from '../../src/broadcaster.ts'
import { BroadcasterError } from '../../src/errors.ts'
import { duration, flag, oneOf, text } from '../../src/foundation/option-kinds.ts'
import { type Option, readOptions } from '../../src/foundation/option-table.ts'
import { showWithoutSecrets } from '../../src/foundation/problem.ts'
import { kafka } from '../../src/kafka/kafka.ts'
import { mqtt } from '../../src/mqtt/mqtt.ts'
import { natsJetStream } from '../../src/nats/nats.ts'
import { rabbitmq } from '../../src/rabbitmq/rabbitmq.ts'
import { redisStreams } from '../../src/redis-streams/redis-streams.ts'
import { mysql } from '../../src/store/mysql/mysql.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { webhook } from '../../src/webhook/webhook.ts'

type Factory = (options: never) => unknown

const refused: readonly (readonly [string, Factory, Readonly<Record<string, unknown>>])[] = [
  ['a url beside a password', redisStreams, { url: 'redis://h', password: 'hunter2' }],
  ['a url that is none', redisStreams, { url: 'redis//u:hunter2@h' }],
  ['a misspelt name', redisStreams, { passwd: 'hunter2' }],
  ['a percent sign that is no escape', redisStreams, { url: 'redis://:50%hunter2@h' }],
  ['a password that is a number', redisStreams, { password: 4_711_815 }],
  ['a node of a cluster', redisStreams, { cluster: { nodes: ['redis://u:hunter2@'] } }],
  ['sasl', kafka, { sasl: { mecanism: 'PLAIN', username: 'u', password: 'hunter2' } }],
  ['a server that is a url', kafka, { bootstrapServers: 'kafka://u:hunter2@h:9092' }],
  ['the url of another scheme', mqtt, { url: 'mqt://u:hunter2@h' }],
  ['the url of another scheme', rabbitmq, { url: 'amp://u:hunter2@h' }],
  ['an empty server beside one', natsJetStream, { url: ['nats://u:hunter2@h', ''] }],
  ['a connection beside a client', natsJetStream, { connection: { pass: 'hunter2' }, client: {} }],
  ['the url of another scheme', webhook, { url: 'htp://u:hunter2@h/d' }],
  ['a token in the query', webhook, { url: 'htp://h/d?token=hunter2' }],
  ['a misspelt name', webhook, { url: 'http://h', secret: 'hunter2' }],
  ['the url of another scheme', mysql, { url: 'postgres://u:hunter2@h/d' }],
  ['a misspelt name', mysql, { uri: 'mysql://u:hunter2@h/d' }],
  ['options in place of a pool', mysql, { pool: { host: 'h', password: 'hunter2' } }],
  ['a misspelt name', postgres, { connectionStrin: 'postgres://u:hunter2@h/d' }],
  ['options in place of a pool', postgres, { pool: { host: 'h', password: 'hunter2' } }],
  ['options in place of a url', postgres, { url: { host: 'h', password: 'hunter2' } }],
  ['listen', postgres, { url: 'postgres://h/d', listen: { connectionStrin: 'postgres://u:hunter2@h/d' } }],
  ['a misspelt name', (options) => new Broadcaster(options), { storeUrl: 'postgres://u:hunter2@h/d' }],
]

for (const [what, factory, options] of refused) {
  test(`no secret is in the error: ${factory.name || 'Broadcaster'}(), ${what}`, () => {
    assert.throws(
      () => factory(options as never),
      (error) => {
        assert.ok(error instanceof BroadcasterError, String(error))
        assert.equal(error.code, 'INVALID_OPTION')
        assert.doesNotMatch(inspect(error, { depth: 10 }), /hunter2|4711815|4_711_815/)
        return true
      },
    )
  })
}

test('an error carries the value of a number, a switch and a choice', () => {
  const carried = (one: Option<unknown>, value: unknown): unknown => {
    try {
      readOptions('made()', { one }, { one: value })
    } catch (error) {
      return error instanceof BroadcasterError ? error.value : error
    }
    return assert.fail('accepted')
  }
  assert.equal(carried(duration(1), 0), 0)
  assert.equal(carried(flag(true), 'yes'), 'yes')
  assert.equal(carried(oneOf('a', 'a', 'b'), 'c'), 'c')
  assert.equal(carried(text(undefined), 5), undefined)
})

test('of an address nobody sees who logs in, nor how', () => {
  const shown = (value: unknown): string => showWithoutSecrets(value)
  assert.equal(shown('htp://u:p@h:1/d?token=t'), '"htp://h:1/d"')
  assert.equal(shown('htp://u:p@ss/w?rd@h'), '"htp://h"')
  assert.equal(shown('u:p@h'), '"h"')
  assert.equal(shown(`htp://u:${'p'.repeat(200)}@h`), '"htp://h"')
  assert.equal(shown(['a://u:p@h', 5, '']), '["a://h","number",""]')
  assert.equal(shown({ password: 'p' }), 'an object')
  assert.equal(shown(5), '5')
  assert.equal(shown(undefined), 'undefined')
})
