import {
  type Backend,
  type BackendHealth,
  backendClosed,
  notAttempted,
  notDelivered,
  type SendResult,
} from '../backend/backend.ts'
import { describeBackend } from '../backend/describe-backend.ts'
import { PermanentError } from '../backend/send-error.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { closeWithin } from '../foundation/close-within.ts'
import { errorMessage } from '../foundation/error-message.ts'
import { type Appender, appendByScript, appendPlainly, type WaitingEntry } from './append.ts'
import { ALONE_SIZE, appendAlone } from './append-alone.ts'
import { ask } from './ask.ts'
import type { RunCommand } from './client.ts'
import { type OpenRedis, redisConnection } from './connection.ts'
import { entryOf, extraFields } from './entry.ts'
import { findingsOf } from './findings.ts'
import { type RedisStreamsOptions, resolveOptions } from './options.ts'
import { errorOfConnection, troubleOfServer } from './reply-error.ts'
import { settleWithin } from './settle-within.ts'
import { AcknowledgedTrim } from './trim-acknowledged.ts'
import { planWave } from './wave.ts'

export type { IoRedisClient, NodeRedisClient, NodeRedisCluster, RedisClient } from './client.ts'
export type { RedisStreamsOptions, RedisTrim } from './options.ts'

/**
 * At most this much in one command. Redis serves no other client while it runs the script: 3 us for each event of 300
 * bytes, so 3 ms for a full batch. Beyond 500 a larger batch is no faster.
 */
const BATCH_COUNT = 1_000
const BATCH_SIZE = 4 * 1024 * 1024

/**
 * Appends each event as an entry to a Redis stream: the fields `event_id`, `event_type`, `source`, `timestamp`,
 * `cloud_event`, and every key of the event's own config. Needs Redis 5 (6.2 to trim by age), or a server that speaks
 * its protocol. Guarantees, errors and advice for production are in `docs/backends/redis-streams.md`.
 *
 * @example redisStreams({ url: 'redis://localhost:6379/0', stream: 'events', trim: { maxLength: 1_000_000 } })
 */
export function redisStreams(options: RedisStreamsOptions = {}): Backend {
  const resolved = resolveOptions(options)
  const connection = redisConnection(resolved)
  const forLarge = resolved.client ? connection : redisConnection(resolved)
  const run: RunCommand = (key, args) => ask(connection, resolved.timeout, key, args)
  const trims = resolved.trimsAcknowledged ? new AcknowledgedTrim(resolved, run) : undefined
  const { stream } = resolved

  async function send(events: readonly OutgoingEvent[], signal: AbortSignal): Promise<readonly SendResult[]> {
    const results = new Array<SendResult>(events.length).fill(notAttempted)
    let waiting = prepare(events, results)
    let open: OpenRedis
    try {
      open = await connection.get(signal)
    } catch (error) {
      // A closed backend attempted nothing; everything else is an outage, a missing package included.
      const failure = connection.closed ? backendClosed : notDelivered(errorOfConnection(error))
      for (const { at } of waiting) results[at] = failure
      return results
    }
    let broken = false
    let plain = false
    const appender: Appender = {
      connection: open,
      options: resolved,
      signal,
      onBroken: () => {
        broken = true
        connection.drop(open)
      },
      onRefused: (code) => {
        const trouble = troubleOfServer(code)
        if (trouble === undefined) return
        broken = true
        open.leave(trouble)
      },
    }
    while (waiting.length > 0 && !broken && !signal.aborted) {
      plain ||= !open.scripting
      const wave = planWave(waiting, { count: BATCH_COUNT, size: BATCH_SIZE, alone: ALONE_SIZE, oneOfAKey: plain })
      const append = plain ? appendPlainly : appendByScript
      const again: WaitingEntry[] = []
      const stopped = new Set<string>()
      await Promise.all(
        Array.from(wave.batches, async ([stream, batch]) => {
          const [first] = batch
          const alone = first !== undefined && first.size > ALONE_SIZE
          const appended = alone
            ? [await appendAlone(forLarge, resolved, first, signal)]
            : await append(appender, stream, batch)
          for (const [n, event] of batch.entries()) {
            const result = appended[n] ?? notAttempted
            if (result === 'plain') again.push(event)
            else {
              results[event.at] = result
              if (!result.ok && event.key !== null) stopped.add(event.key)
            }
          }
          if (batch.some(({ at }) => results[at]?.ok)) trims?.added(stream)
        }),
      )
      plain ||= again.length > 0
      const left = wave.left.filter(({ key }) => key === null || !stopped.has(key))
      waiting = again.length === 0 ? left : [...again, ...left].sort((a, b) => a.at - b.at)
    }
    return results
  }

  /** The entries to send; an event that cannot be written as one gets its result here, and stops its key. */
  function prepare(events: readonly OutgoingEvent[], results: SendResult[]): readonly WaitingEntry[] {
    const waiting: WaitingEntry[] = []
    const stopped = new Set<string>()
    for (const [at, event] of events.entries()) {
      const key = event.partitionKey ?? null
      if (key !== null && stopped.has(key)) continue
      try {
        const entry = entryOf(event)
        const name: unknown = typeof stream === 'string' ? stream : stream(event)
        if (typeof name !== 'string' || name === '') throw new Error('the function stream must return a name')
        // As bytes it would be the name of another stream.
        if (!name.isWellFormed()) throw new Error('the function stream returned a name with an unpaired surrogate')
        waiting.push({ at, key, stream: name, size: entry.size, entry })
      } catch (cause) {
        const message = `the event cannot be written as an entry: ${errorMessage(cause)}`
        results[at] = notDelivered(new PermanentError(message, { cause }))
        if (key !== null) stopped.add(key)
      }
    }
    return waiting
  }

  async function checkHealth(signal: AbortSignal): Promise<BackendHealth> {
    try {
      const open = await connection.get(signal)
      const started = performance.now()
      const [reply] = await settleWithin([open.run(undefined, ['PING'])], resolved.timeout, signal)
      const latency = performance.now() - started
      if (reply?.kind === 'value') {
        if (!(await isReplica(open, signal))) return { healthy: true, latency, detail: 'Redis answers' }
        open.leave('replica')
        return { healthy: false, latency, detail: 'this Redis is a read-only replica' }
      }
      if (reply?.kind === 'error') throw reply.error
      connection.drop(open)
      return { healthy: false, detail: 'no reply from Redis to a PING' }
    } catch (error) {
      return { healthy: false, detail: errorOfConnection(error).message }
    }
  }

  /** Whether the server is a replica, as far as can be known: the user may lack the right to ask. */
  async function isReplica(open: OpenRedis, signal: AbortSignal): Promise<boolean> {
    if (resolved.address.nodes.length > 0) return false
    const [role] = await settleWithin([open.run(undefined, ['ROLE'])], resolved.timeout, signal)
    return role?.kind === 'value' && Array.isArray(role.value) && role.value[0] === 'slave'
  }

  return {
    ...describeBackend(
      'redis-streams',
      stream,
      resolved.client ? [] : resolved.address.nodes.length > 0 ? resolved.address.nodes : [resolved.address],
    ),
    capabilities: { ordersWithinSend: true },
    rate: resolved.rate,
    maxEventBytes: resolved.maxEventBytes,
    // Longer than the waits within it, so that they end first and say what is wrong with the connection.
    timeout: Math.max(resolved.timeout, resolved.connectTimeout) + 250,
    checkConfig: (config) => void extraFields(config),
    connect: async (signal) => void (await connection.get(signal)),
    send,
    async healthCheck(signal) {
      const health = await checkHealth(signal)
      const trouble = health.healthy ? trims?.trouble : undefined
      return trouble === undefined
        ? health
        : { ...health, detail: `Redis answers, but trims nothing: ${String(trouble)}` }
    },
    findings: async () => (typeof stream === 'string' ? findingsOf(run, stream, resolved) : []),
    close: () =>
      closeWithin('redisStreams()', () => Promise.all([trims?.close(), connection.close(), forLarge.close()])),
  }
}
