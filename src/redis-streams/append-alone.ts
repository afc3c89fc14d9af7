import { setTimeout as delay } from 'node:timers/promises'
import { backendClosed, notDelivered, type SendResult } from '../backend/backend.ts'
import { BroadcasterError } from '../errors.ts'
import { appendPlainly, type WaitingEntry } from './append.ts'
import type { OpenRedis, RedisConnection } from './connection.ts'
import type { ResolvedRedisStreamsOptions } from './options.ts'
import { errorOfConnection, troubleOfServer } from './reply-error.ts'
import { settleWithin } from './settle-within.ts'

/**
 * Larger entries go alone: Redis closes the connection of a client that sends a value beyond `proto-max-bulk-len`,
 * whose minimum this is, and what else was in flight on it is lost with it.
 */
export const ALONE_SIZE = 1024 * 1024

/** How long Redis may take to answer on a new connection after it closed one, in milliseconds. */
const PATIENCE = 1_000

/**
 * Appends one large entry; where we open the connections, on one with nothing else in flight. When Redis closes that
 * twice and answers at once on another one, this entry is to blame.
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
