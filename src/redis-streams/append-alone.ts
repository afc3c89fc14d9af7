import { setTimeout as delay } from 'node:timers/promises'
import { backendClosed, notDelivered, type SendResult } from '../backend/backend.ts'
import { BroadcasterError } from '../errors.ts'
import { appendPlainly, type WaitingEntry } from './append.ts'
import type { OpenRedis, RedisConnection } from './connection.ts'
import type { ResolvedRedisStreamsOptions } from './options.ts'
import { errorOfConnection, troubleOfServer } from './reply-error.ts'
import { settleWithin } from './settle-within.ts'

/**
 * What is larger than this goes alone: the least that Redis's `proto-max-bulk-len` can be set to. It closes the connection
 * of a client that sends a larger value, and what else was in flight on it is lost with it.
 */
export const ALONE_SIZE = 1024 * 1024

/** How long a server that closed a connection may take to answer on the next one, in milliseconds. */
const PATIENCE = 1_000

/**
 * Appends one large entry, on a connection that nothing else is in flight on where we open it ourselves. When Redis closes
 * it twice and answers at once on another one, the entry is to blame and no other.
 */
export async function appendAlone(
  connection: RedisConnection,
  options: ResolvedRedisStreamsOptions,
  entry: WaitingEntry,
  signal: AbortSignal,
): Promise<SendResult> {
  for (let attempt = 1; ; attempt++) {
    let open: OpenRedis
    try {
      open = await connection.get(signal)
    } catch (error) {
      return connection.closed ? backendClosed : notDelivered(errorOfConnection(error))
    }
    let broken = false
    const onBroken = (): void => {
      broken = true
      connection.drop(open)
    }
    const onRefused = (code: string | undefined): void => {
      const trouble = troubleOfServer(code)
      if (trouble !== undefined) open.leave(trouble)
    }
    const appender = { connection: open, options, signal, onBroken, onRefused }
    const [result] = await appendPlainly(appender, entry.stream, [entry])
    if (result === undefined || result.ok || !broken) return result ?? notDelivered(errorOfConnection(undefined))
    if (!(await answers(connection, options, signal))) return result
    if (attempt === 1) continue
    const text = `Redis closes the connection on an entry of about ${entry.size} bytes; see its proto-max-bulk-len, or lower maxEventBytes`
    return notDelivered(new BroadcasterError('SEND_FAILED', text, { field: 'data', cause: result.error }))
  }
}

async function answers(
  connection: RedisConnection,
  { timeout }: ResolvedRedisStreamsOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const until = performance.now() + PATIENCE
  while (!signal.aborted) {
    const asked = connection.get(signal).then((open) => open.run(undefined, ['PING']))
    const [reply] = await settleWithin([asked], timeout, signal)
    if (reply?.kind === 'value') return true
    if (performance.now() > until) return false
    await delay(50)
  }
  return false
}
