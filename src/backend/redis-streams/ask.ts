import type { RedisConnection } from './connection.ts'
import { errorOfConnection, replyCode, troubleOfServer } from './reply-error.ts'
import { settleWithin } from './settle-within.ts'

const never = new AbortController().signal

/**
 * Runs one command and waits for its reply, at most `timeout` ms. Rejects with Redis's own error reply, or an `OutageError`
 * when there is no answer; a connection that is of no use is left.
 */
export async function ask(
  connection: RedisConnection,
  timeout: number,
  key: string | undefined,
  args: readonly [string, ...string[]],
): Promise<unknown> {
  const open = await connection.open(never)
  const [reply] = await settleWithin([Promise.resolve().then(() => open.run(key, args))], timeout, never)
  if (reply?.kind === 'value') return reply.value
  const code = reply?.kind === 'error' ? replyCode(reply.error) : undefined
  if (reply?.kind === 'error' && code !== undefined) {
    const trouble = troubleOfServer(code)
    if (trouble !== undefined) connection.leave(open, trouble)
    throw reply.error
  }
  connection.drop(open)
  throw errorOfConnection(reply?.kind === 'error' ? reply.error : new Error(`nothing within ${timeout} ms`))
}
