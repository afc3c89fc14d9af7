import { type RedisConnection, redisConnection } from './connection.ts'
import type { GroupCommand } from './group.ts'
import { errorOfConnection, replyCode, troubleOfServer } from './reply-error.ts'
import { settleWithin } from './settle-within.ts'
import type { ResolvedRedisSubscriptionOptions } from './subscription-options.ts'

const never = new AbortController().signal

/**
 * Runs one command and waits at most `timeout` ms for its reply. Rejects with Redis's own error reply, or an
 * `OutageError` when there is none; leaves a connection that is of no use.
 */
export async function ask(
  connection: RedisConnection,
  timeout: number,
  key: string | undefined,
  args: readonly [string, ...string[]],
): Promise<unknown> {
  const open = await connection.get()
  const [reply] = await settleWithin([Promise.resolve().then(() => open.run(key, args))], timeout, never)
  if (reply?.kind === 'value') return reply.value
  const code = reply?.kind === 'error' ? replyCode(reply.error) : undefined
  if (reply?.kind === 'error' && code !== undefined) {
    const trouble = troubleOfServer(code)
    if (trouble !== undefined) open.leave(trouble)
    throw reply.error
  }
  connection.drop(open)
  throw errorOfConnection(reply?.kind === 'error' ? reply.error : new Error(`nothing within ${timeout} ms`))
}

/**
 * A connection of our own that is opened again after trouble, or the injected client. `patience`: what a reply may take
 * beyond the command timeout, in milliseconds.
 */
export function redisLink({ connection: options }: ResolvedRedisSubscriptionOptions, patience: number) {
  const connection = redisConnection(options)
  /** Runs a command. Rejects with Redis's own error reply, or an `OutageError` when there is no answer. */
  const run: GroupCommand = (key, args) => ask(connection, options.timeout + patience, key, args)
  return { run, close: () => connection.close() }
}
