import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Broadcaster, BroadcasterError, Consumer, Inbox } from 'ts-broadcaster'
import { consoleBackend } from 'ts-broadcaster/console'
import { file } from 'ts-broadcaster/file'
import { handlers } from 'ts-broadcaster/handlers'
import { kafka } from 'ts-broadcaster/kafka'
import { memoryBackend, memoryStore } from 'ts-broadcaster/memory'
import { mqtt } from 'ts-broadcaster/mqtt'
import { mysql } from 'ts-broadcaster/mysql'
import { natsJetStream } from 'ts-broadcaster/nats'
import { postgres } from 'ts-broadcaster/postgres'
import { rabbitmq } from 'ts-broadcaster/rabbitmq'
import { redisStreams } from 'ts-broadcaster/redis-streams'
import { sqlite } from 'ts-broadcaster/sqlite'
import { kafkaSubscription } from 'ts-broadcaster/subscriptions/kafka'
import { mqttSubscription } from 'ts-broadcaster/subscriptions/mqtt'
import { natsJetStreamSubscription } from 'ts-broadcaster/subscriptions/nats'
import { rabbitmqSubscription } from 'ts-broadcaster/subscriptions/rabbitmq'
import { redisStreamsSubscription } from 'ts-broadcaster/subscriptions/redis-streams'
import { webhookReceiver } from 'ts-broadcaster/subscriptions/webhook'
import { drizzleTransaction } from 'ts-broadcaster/transactions/drizzle'
import { knexTransaction } from 'ts-broadcaster/transactions/knex'
import { kyselyTransaction } from 'ts-broadcaster/transactions/kysely'
import { webhook } from 'ts-broadcaster/webhook'

type Factory = (options?: never) => unknown

const FACTORIES: Readonly<Record<string, Factory>> = {
  Broadcaster: (options) => new Broadcaster(options as never),
  Consumer: (options) => new Consumer(options as never),
  Inbox: (options) => new Inbox(options as never),
  ...({ consoleBackend, file, handlers, kafka, memoryBackend, memoryStore, mqtt, mysql, natsJetStream } as object),
  ...({ postgres, rabbitmq, redisStreams, sqlite, webhook, webhookReceiver, kafkaSubscription } as object),
  ...({ mqttSubscription, natsJetStreamSubscription, rabbitmqSubscription, redisStreamsSubscription } as object),
  ...({ drizzleTransaction, knexTransaction, kyselyTransaction } as object),
}

for (const [name, factory] of Object.entries(FACTORIES)) {
  test(`${name}: without arguments, or with what is no object, it says so with a code`, () => {
    for (const args of [[], [undefined], [null], [5], ['text']]) {
      try {
        // Some need no options.
        ;(factory as (...args: readonly unknown[]) => unknown)(...args)
      } catch (error) {
        assert.ok(error instanceof BroadcasterError, `${JSON.stringify(args)}: ${String(error)}`)
        assert.equal(error.code, 'INVALID_OPTION')
      }
    }
  })
}
