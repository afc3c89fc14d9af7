import {
  type DeadLetter,
  type DeadLetterPage,
  type DeadLetterPlace,
  isReasonHeader,
  letterOf,
  REQUEUED_FOR,
} from '../consumer/dead-letter-place.ts'
import { readEvent } from '../consumer/read-event.ts'
import { BroadcasterError } from '../errors.ts'
import { decodeHeaderValue } from '../event/http.ts'
import { decodeNats } from '../event/nats.ts'
import { natsConnection, type OpenNats } from './connection.ts'
import { errorOfOpening } from './publish-error.ts'
import type { ResolvedNatsSubscriptionOptions } from './subscription-options.ts'

type StoredMsg = import('@nats-io/jetstream').StoredMsg

/** There is no message at or after this place. */
const NO_MESSAGE = 10037
const NO_STREAM = 10059

/** The dead letters of one durable consumer, in their stream; the id of one is its number there. */
export function natsLetterPlace(options: ResolvedNatsSubscriptionOptions, consumer: string): DeadLetterPlace {
  const { stream, durable, deadLetter } = options
  const connection = natsConnection(options.connection)
  const subject = deadLetter.subject ?? `dead.${stream}.${durable ?? consumer}`

  function list({ limit, after = '0' }: DeadLetterPage, signal: AbortSignal): Promise<readonly DeadLetter[]> {
    return ask(signal, async ({ manager }) => {
      const found: DeadLetter[] = []
      for (let seq = Number(after) + 1; found.length < limit; ) {
        signal.throwIfAborted()
        const query = { next_by_subj: subject, seq }
        const stored = await missing(manager.streams.getMessage(deadLetter.stream, query))
        if (!stored) break
        found.push(read(stored))
        seq = stored.seq + 1
      }
      return found
    })
  }

  function requeue(id: string, signal: AbortSignal): Promise<boolean> {
    const seq = Number(id)
    if (!Number.isSafeInteger(seq) || seq < 1) return Promise.resolve(false)
    return ask(signal, async ({ manager, jetstream, headers }) => {
      const stored = await missing(manager.streams.getMessage(deadLetter.stream, { seq }))
      if (!stored || stored.subject !== subject) return false
      const own = headers()
      for (const [name, values] of stored.header) {
        if (isReasonHeader(name) || /^nats-/i.test(name)) continue
        for (const value of values) own.append(name, value)
      }
      own.set(REQUEUED_FOR, consumer)
      // Without the original id: the stream would take it for a duplicate and drop it.
      const details = { headers: own, expect: { streamName: stream } }
      await jetstream.publish(stored.header.get('broadcaster-subject'), stored.data, details)
      await manager.streams.deleteMessage(deadLetter.stream, seq, false)
      return true
    })
  }

  async function ask<T>(signal: AbortSignal, work: (open: OpenNats) => Promise<T>): Promise<T> {
    try {
      return await work(await connection.get(signal))
    } catch (error) {
      if (error instanceof BroadcasterError) throw error
      throw errorOfOpening(error)
    }
  }

  const description = `nats ${deadLetter.stream} ${subject}`
  return { description, list, requeue, close: () => connection.close() }
}

/** Null where there is no such message or stream. */
async function missing<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === NO_MESSAGE || code === NO_STREAM) return null
    throw error
  }
}

function read({ seq, data, header }: StoredMsg): DeadLetter {
  const pairs = Array.from(header, ([name, values]): [string, string] => [name, values[0] ?? ''])
  const reason = (name: string): string => decoded(header.get(`broadcaster-${name}`))
  const event = readEvent(() => decodeNats(pairs, data))
  return letterOf(String(seq), data, event, reason('position'), reason)
}

/** A shortened text may end in the middle of an escaped character. */
function decoded(text: string): string {
  try {
    return decodeHeaderValue(text)
  } catch {
    return text
  }
}
