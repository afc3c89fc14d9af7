import { type RunCommand, reconnectWith, runWith } from '../../backend/redis-streams/client.ts'
import { type OpenConnection, RedisConnection } from '../../backend/redis-streams/connection.ts'
import { errorOfConnection, replyCode, troubleOfServer } from '../../backend/redis-streams/reply-error.ts'
import { settleWithin } from '../../backend/redis-streams/settle-within.ts'
import type { Run } from './group.ts'
import type { ResolvedRedisSubscriptionOptions } from './options.ts'

/** One way to Redis: a connection of our own that is opened anew after trouble, or the injected client. */
export class RedisLink {
  readonly #timeout: number
  readonly #connection: RedisConnection | undefined
  readonly #injected: RunCommand | undefined
  readonly #reconnect: (() => void) | undefined

  /** `patience`: what a reply may take beside the command timeout, in milliseconds. */
  constructor({ client, connection }: ResolvedRedisSubscriptionOptions, patience: number) {
    this.#timeout = connection.commandTimeout + patience
    this.#injected = client && runWith(client)
    this.#reconnect = client && reconnectWith(client)
    this.#connection = client ? undefined : new RedisConnection(connection)
  }

  /** Runs a command. Rejects with Redis's own error reply, or an `OutageError` when there is no answer. */
  readonly run: Run = async (key, args) => {
    const never = new AbortController().signal
    const open: OpenConnection | undefined = await this.#connection?.open(never)
    const run = open?.run ?? this.#injected
    const [reply] = run ? await settleWithin([run(key, args)], this.#timeout, never) : []
    if (reply?.kind === 'value') return reply.value
    const code = reply?.kind === 'error' ? replyCode(reply.error) : undefined
    if (reply?.kind === 'error' && code !== undefined) {
      const trouble = troubleOfServer(code)
      if (trouble !== undefined && open) this.#connection?.leave(open, trouble)
      else if (trouble === 'replica') this.#reconnect?.()
      throw reply.error
    }
    if (open) this.#connection?.drop(open)
    throw errorOfConnection(reply?.kind === 'error' ? reply.error : new Error(`nothing within ${this.#timeout} ms`))
  }

  async close(): Promise<void> {
    await this.#connection?.close()
  }
}
