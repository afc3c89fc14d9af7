import { ask } from '../../backend/redis-streams/ask.ts'
import { RedisConnection } from '../../backend/redis-streams/connection.ts'
import type { Run } from './group.ts'
import type { ResolvedRedisSubscriptionOptions } from './options.ts'

/** One way to Redis: a connection of our own that is opened anew after trouble, or the injected client. */
export class RedisLink {
  readonly #timeout: number
  readonly #connection: RedisConnection

  /** `patience`: what a reply may take beside the command timeout, in milliseconds. */
  constructor({ client, connection }: ResolvedRedisSubscriptionOptions, patience: number) {
    this.#timeout = connection.commandTimeout + patience
    this.#connection = new RedisConnection({ ...connection, client })
  }

  /** Runs a command. Rejects with Redis's own error reply, or an `OutageError` when there is no answer. */
  readonly run: Run = (key, args) => ask(this.#connection, this.#timeout, key, args)

  async close(): Promise<void> {
    await this.#connection.close()
  }
}
