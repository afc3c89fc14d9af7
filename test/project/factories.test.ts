import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Broadcaster, BroadcasterError, Consumer, eachEvent, Inbox, RetryAfterError, WorkerPool } from 'ts-broadcaster'
import { adminHandler } from 'ts-broadcaster/admin'
import { createCloudEvent } from 'ts-broadcaster/cloudevents'
import { consoleBackend } from 'ts-broadcaster/console'
import { drizzleTransaction } from 'ts-broadcaster/drizzle'
import { fileBackend } from 'ts-broadcaster/file'
import { handlers } from 'ts-broadcaster/handlers'
import { kafka, kafkaSubscription } from 'ts-broadcaster/kafka'
import { knexTransaction } from 'ts-broadcaster/knex'
import { kyselyTransaction } from 'ts-broadcaster/kysely'
import { memoryBackend, memoryStore } from 'ts-broadcaster/memory'
import { mikroOrmTransaction } from 'ts-broadcaster/mikro-orm'
import { mqtt, mqttSubscription } from 'ts-broadcaster/mqtt'
import { mysql } from 'ts-broadcaster/mysql'
import { natsJetStream, natsJetStreamSubscription } from 'ts-broadcaster/nats'
import { openTelemetry } from 'ts-broadcaster/opentelemetry'
import { pgTransaction, postgres } from 'ts-broadcaster/postgres'
import { prismaTransaction } from 'ts-broadcaster/prisma'
import { prometheus } from 'ts-broadcaster/prometheus'
import { rabbitmq, rabbitmqSubscription } from 'ts-broadcaster/rabbitmq'
import { redisStreams, redisStreamsSubscription } from 'ts-broadcaster/redis-streams'
import { sequelizeTransaction } from 'ts-broadcaster/sequelize'
import { sqlite } from 'ts-broadcaster/sqlite'
import { memorySubscription } from 'ts-broadcaster/testing'
import { typeormTransaction } from 'ts-broadcaster/typeorm'
import { verifyWebhook, webhook, webhookReceiver } from 'ts-broadcaster/webhook'

type Factory = (options?: never) => unknown

const FACTORIES: Readonly<Record<string, Factory>> = {
  Broadcaster: (options) => new Broadcaster(options as never),
  Consumer: (options) => new Consumer(options as never),
  Inbox: (options) => new Inbox(options as never),
  WorkerPool: (outboxes) => new WorkerPool(outboxes as never),
  'WorkerPool, its options': (options) => new WorkerPool([], options as never),
  ...({
    consoleBackend,
    fileBackend,
    handlers,
    kafka,
    memoryBackend,
    memoryStore,
    mqtt,
    mysql,
    natsJetStream,
  } as object),
  ...({ postgres, rabbitmq, redisStreams, sqlite, webhook, webhookReceiver, kafkaSubscription } as object),
  ...({ mqttSubscription, natsJetStreamSubscription, rabbitmqSubscription, redisStreamsSubscription } as object),
  ...({ drizzleTransaction, knexTransaction, kyselyTransaction, prometheus } as object),
  ...({ mikroOrmTransaction, prismaTransaction, sequelizeTransaction, typeormTransaction, pgTransaction } as object),
  ...({ adminHandler, eachEvent, openTelemetry, createCloudEvent, memorySubscription, verifyWebhook } as object),
}

for (const [name, factory] of Object.entries(FACTORIES)) {
  test(`${name}: without arguments, or with what is no object, it says so with a code`, () => {
    for (const args of [[], [undefined], [null], [5], ['text']]) {
      try {
        // Some need no options.
        ;(factory as (...args: readonly unknown[]) => unknown)(...args)
      } catch (error) {
        assert.ok(error instanceof BroadcasterError, `${JSON.stringify(args)}: ${String(error)}`)
        assert.equal(error.code, name === 'createCloudEvent' ? 'INVALID_EVENT' : 'INVALID_OPTION')
      }
    }
  })
}

test('RetryAfterError: without its wait it is what it says all the same', () => {
  const error = new (RetryAfterError as unknown as new (message: string) => RetryAfterError)('try later')
  assert.deepEqual([error.message, error.retryAfter, error.code], ['try later', 0, 'SEND_FAILED'])
})
