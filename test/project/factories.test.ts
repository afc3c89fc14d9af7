import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Broadcaster, BroadcasterError, Consumer, Inbox } from 'ts-broadcaster'
import { consoleBackend } from 'ts-broadcaster/console'
import { drizzleTransaction } from 'ts-broadcaster/drizzle'
import { fileBackend } from 'ts-broadcaster/file'
import { handlers } from 'ts-broadcaster/handlers'
import { kafka, kafkaSubscription } from 'ts-broadcaster/kafka'
import { knexTransaction } from 'ts-broadcaster/knex'
import { kyselyTransaction } from 'ts-broadcaster/kysely'
import { memoryBackend, memoryStore } from 'ts-broadcaster/memory'
import { mqtt, mqttSubscription } from 'ts-broadcaster/mqtt'
import { mysql } from 'ts-broadcaster/mysql'
import { natsJetStream, natsJetStreamSubscription } from 'ts-broadcaster/nats'
import { postgres } from 'ts-broadcaster/postgres'
import { prometheus } from 'ts-broadcaster/prometheus'
import { rabbitmq, rabbitmqSubscription } from 'ts-broadcaster/rabbitmq'
import { redisStreams, redisStreamsSubscription } from 'ts-broadcaster/redis-streams'
import { sqlite } from 'ts-broadcaster/sqlite'
import { webhook, webhookReceiver } from 'ts-broadcaster/webhook'

type Factory = (options?: never) => unknown

const FACTORIES: Readonly<Record<string, Factory>> = {
  Broadcaster: (options) => new Broadcaster(options as never),
  Consumer: (options) => new Consumer(options as never),
  Inbox: (options) => new Inbox(options as never),
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
