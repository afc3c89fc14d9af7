import assert from 'node:assert/strict'
import { registerHooks } from 'node:module'
import { after, describe, test } from 'node:test'
import type { Backend } from '../../src/backend/backend.ts'
import { classifySendError } from '../../src/backend/send-error.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { Consumer } from '../../src/consumer/consumer.ts'
import type { Subscription } from '../../src/consumer/subscription.ts'
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
import { memoryStore } from '../../src/store/memory/memory.ts'
import { sampleEvent } from '../../src/testing/sample-events.ts'
import { webhook } from '../../src/webhook/webhook.ts'
import { Receiver } from './receiver.ts'

/*
 * A package that is not installed: nobody was asked, so no error tells of a server that did not answer, and waiting for it
 * mends nothing.
 */

const PACKAGES = /^(redis|amqplib|mqtt|standardwebhooks|@nats-io\/.*|@platformatic\/kafka)$/
const hooks = registerHooks({
  resolve: (specifier, context, next) =>
    next(PACKAGES.test(specifier) ? 'a-package-that-is-not-installed' : specifier, context),
})
after(() => hooks.deregister())

const never = new AbortController().signal
const keys = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
// What there would be to connect to, if there were anything to connect with.
const receiver = await Receiver.start()
after(() => receiver.stop())

const backends: readonly (readonly [string, () => Backend])[] = [
  ['redis', () => redisStreams()],
  ['@platformatic/kafka', () => kafka()],
  ['@platformatic/kafka', () => kafka({ topic: '{type}', fenced: true })],
  ['@nats-io/transport-node', () => natsJetStream({ stream: 's' })],
  ['amqplib', () => rabbitmq()],
  ['mqtt', () => mqtt()],
  ['standardwebhooks', () => webhook({ url: receiver.url, keys })],
]

for (const [name, make] of backends) {
  describe(`${make().description} without the package ${name}`, () => {
    const own = new RegExp(`^(?!.*no answer|.*not ready|.*no connection).*${name}.*not installed`)

    test('says so of each event, as an outage', async () => {
      const backend = make()
      const [result] = await backend.send([sampleEvent()], never)
      await backend.close()
      assert.ok(result && !result.ok)
      assert.match(String((result.error as Error).message), own)
      assert.equal(classifySendError(result.error).kind, 'outage')
    })

    test('is not healthy, and says why', async () => {
      const backend = make()
      const { healthy, detail } = await backend.healthCheck(never)
      await backend.close()
      assert.equal(healthy, false)
      assert.match(detail ?? '', own)
    })

    test('does not let a worker start', async () => {
      await using broadcaster = new Broadcaster({ store: memoryStore(), backends: { a: make() }, logger: false })
      const worker = broadcaster.worker()
      await assert.rejects(worker.start(), (error: Error) => {
        assert.match(error.message, own)
        assert.equal(Reflect.get(error, 'code'), 'MISSING_DEPENDENCY')
        return true
      })
      assert.equal(worker.isRunning, false)
    })
  })
}

test('a webhook whose keys come from a function is not healthy once a request could not be signed', async () => {
  const backend = webhook({ url: receiver.url, keys: () => keys })
  const health = async (): Promise<boolean> => (await backend.healthCheck(never)).healthy
  assert.equal(await health(), true)
  await backend.send([sampleEvent()], never)
  assert.equal(await health(), false)
  await backend.close()
})

const subscriptions: readonly (readonly [string, () => Subscription])[] = [
  ['redis', () => redisStreamsSubscription()],
  ['@platformatic/kafka', () => kafkaSubscription()],
  ['@nats-io/transport-node', () => natsJetStreamSubscription({ stream: 's' })],
  ['amqplib', () => rabbitmqSubscription()],
  ['mqtt', () => mqttSubscription({ clientId: 'c', deadLetter: { keep: true } })],
]

for (const [name, make] of subscriptions) {
  test(`a consumer does not wait for the package ${name}, nor do its dead letters`, async () => {
    const own = { code: 'MISSING_DEPENDENCY', message: new RegExp(`^(?!.*no answer|.*no connection).*${name}`) }
    const consumer = new Consumer({
      name: 'c',
      subscription: make(),
      handlers: { '*': () => undefined },
      inbox: false,
      logger: false,
    })
    await assert.rejects(consumer.start(), own)
    await consumer.stop()
    await using broadcaster = new Broadcaster({ store: memoryStore(), subscriptions: { c: make() }, logger: false })
    await assert.rejects(broadcaster.admin.deadLetters('c').list({ limit: 1 }, never), own)
  })
}
