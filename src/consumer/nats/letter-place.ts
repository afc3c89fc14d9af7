import { NatsConnection, type OpenConnection } from '../../backend/nats/connection.ts'
import { errorOfOpening } from '../../backend/nats/publish-error.ts'
import { BroadcasterError } from '../../errors.ts'
import { decodeHeaderValue } from '../../event/http.ts'
import { decodeNats } from '../../event/nats.ts'
import {
  type DeadLetter,
  type DeadLetterPage,
  type DeadLetterPlace,
  isReasonHeader,
  REQUEUED_FOR,
} from '../dead-letter-place.ts'
import type { ResolvedNatsSubscriptionOptions } from './options.ts'

type StoredMsg = import('@nats-io/jetstream').StoredMsg
type MsgHdrs = import('@nats-io/transport-node').MsgHdrs

/** There is no message at or after this place. */
const NO_MESSAGE = 10037
const NO_STREAM = 10059

/** The dead letters of one durable consumer, in their stream; the id of one is its number there. */
export class NatsLetterPlace implements DeadLetterPlace {
  readonly description: string
  readonly #options: ResolvedNatsSubscriptionOptions
  readonly #connection: NatsConnection
  readonly #consumer: string
  readonly #subject: string

  constructor(options: ResolvedNatsSubscriptionOptions, consumer: string) {
    const { stream, durable, deadLetter } = options
    this.#options = options
    this.#consumer = consumer
    this.#connection = new NatsConnection(options.connection)
    this.#subject = deadLetter.subject ?? `dead.${stream}.${durable ?? consumer}`
    this.description = `nats ${deadLetter.stream} ${this.#subject}`
  }

  list({ limit, after = '0' }: DeadLetterPage, signal: AbortSignal): Promise<readonly DeadLetter[]> {
    return this.#ask(signal, async ({ manager }) => {
      const found: DeadLetter[] = []
      for (let seq = Number(after) + 1; found.length < limit; ) {
        signal.throwIfAborted()
        const query = { next_by_subj: this.#subject, seq }
        const stored = await missing(manager.streams.getMessage(this.#options.deadLetter.stream, query))
        if (!stored) break
        found.push(letterOf(stored))
        seq = stored.seq + 1
      }
      return found
    })
  }

  requeue(id: string, signal: AbortSignal): Promise<boolean> {
    const seq = Number(id)
    if (!Number.isSafeInteger(seq) || seq < 1) return Promise.resolve(false)
    return this.#ask(signal, async ({ manager, jetstream, headers }) => {
      const { stream, deadLetter } = this.#options
      const stored = await missing(manager.streams.getMessage(deadLetter.stream, { seq }))
      if (!stored || stored.subject !== this.#subject) return false
      const own = headers()
      for (const [name, values] of stored.header) {
        if (isReasonHeader(name) || /^nats-/i.test(name)) continue
        for (const value of values) own.append(name, value)
      }
      own.set(REQUEUED_FOR, this.#consumer)
      // Without the id of the first one: the stream would take it for a repetition, and drop it.
      await jetstream.publish(stored.header.get('broadcaster-subject'), stored.data, {
        headers: own,
        expect: { streamName: stream },
      })
      await manager.streams.deleteMessage(deadLetter.stream, seq, false)
      return true
    })
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  async #ask<T>(signal: AbortSignal, work: (open: OpenConnection) => Promise<T>): Promise<T> {
    try {
      return await work(await this.#connection.open(signal))
    } catch (error) {
      if (error instanceof BroadcasterError) throw error
      throw errorOfOpening(error)
    }
  }
}

/** Null for what is not there. */
async function missing<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === NO_MESSAGE || code === NO_STREAM) return null
    throw error
  }
}

function letterOf({ seq, data, header }: StoredMsg): DeadLetter {
  const reason = (name: string): string => decoded(header.get(`broadcaster-${name}`))
  const about = {
    id: String(seq),
    body: data,
    consumer: reason('consumer'),
    error: reason('error'),
    attempts: Number(reason('attempts')),
    position: reason('position'),
  }
  try {
    return { ...about, event: decodeNats(pairsOf(header), data) }
  } catch (problem) {
    return { ...about, event: undefined, problem }
  }
}

function pairsOf(headers: MsgHdrs): readonly [string, string][] {
  return Array.from(headers, ([name, values]) => [name, values[0] ?? ''])
}

/** A shortened one may end in the middle of an escaped character. */
function decoded(text: string): string {
  try {
    return decodeHeaderValue(text)
  } catch {
    return text
  }
}
