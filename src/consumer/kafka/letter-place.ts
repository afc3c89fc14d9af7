import { failureOf } from '../../backend/kafka/failure.ts'
import { placed } from '../../backend/kafka/port.ts'
import type { ProducerPort } from '../../backend/kafka/producer-port.ts'
import { OutageError } from '../../backend/send-error.ts'
import { BroadcasterError } from '../../errors.ts'
import { decodeKafka } from '../../event/kafka.ts'
import {
  type DeadLetter,
  type DeadLetterPage,
  type DeadLetterPlace,
  isReasonHeader,
  REQUEUED_FOR,
} from '../dead-letter-place.ts'
import { DeadLetters, deadLetterPort } from './dead-letter.ts'
import type { ResolvedKafkaSubscriptionOptions } from './options.ts'
import type { FetchedRecord } from './partition.ts'
import { readHeaders } from './read-headers.ts'
import { TopicReader } from './topic-reader.ts'

/** The header of a record that says of an earlier one that it was requeued: Kafka deletes no single record. */
const REQUEUED = 'broadcaster-requeued'

/** The dead letters of one consumer, in topics that several may share; the id of one is `<topic> <partition> <offset>`. */
export class KafkaLetterPlace implements DeadLetterPlace {
  readonly description: string
  readonly #options: ResolvedKafkaSubscriptionOptions
  readonly #consumer: string
  readonly #topics: readonly string[]
  readonly #port: ProducerPort
  #reader: Promise<TopicReader> | undefined
  #closing: Promise<void> | undefined

  constructor(options: ResolvedKafkaSubscriptionOptions, consumer: string) {
    const letters = new DeadLetters(options)
    this.#options = options
    this.#consumer = consumer
    this.#port = deadLetterPort(options)
    this.#topics = [...new Set(options.topics.map((topic) => letters.topicOf(topic)))]
    this.description = `kafka ${this.#topics.join(', ')}`
  }

  list({ limit, after }: DeadLetterPage, signal: AbortSignal): Promise<readonly DeadLetter[]> {
    return this.#ask(async () => {
      const requeued = await this.#requeued(signal)
      const found: DeadLetter[] = []
      let begun = after === undefined
      for await (const record of this.#records(signal)) {
        const id = idOf(record)
        if (begun && this.#isLetter(record) && !requeued.has(id)) found.push(letterOf(id, record))
        if (id === after) begun = true
        if (found.length >= limit) break
      }
      return found
    })
  }

  requeue(id: string, signal: AbortSignal): Promise<boolean> {
    return this.#ask(async () => {
      const requeued = await this.#requeued(signal)
      if (requeued.has(id)) return false
      for await (const record of this.#records(signal)) {
        if (idOf(record) !== id || !this.#isLetter(record)) continue
        if (readHeaders(record.headers).has('broadcaster-left-out')) throw incomplete(id)
        await this.#putBack(record)
        await this.#write(record.topic, Buffer.from(id), undefined, [[REQUEUED, Buffer.from(id)]])
        return true
      }
      return false
    })
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    await this.#port.close()
    await (await this.#reader?.catch(() => undefined))?.close()
  }

  /** The first pass: what was requeued stands behind the letters. */
  async #requeued(signal: AbortSignal): Promise<ReadonlySet<string>> {
    const found = new Set<string>()
    for await (const { headers } of this.#records(signal)) {
      const id = readHeaders(headers).get(REQUEUED)
      if (id !== undefined) found.add(id)
    }
    return found
  }

  async *#records(signal: AbortSignal): AsyncGenerator<FetchedRecord> {
    if (this.#closing !== undefined) throw new BroadcasterError('CLOSED', 'the dead letters are closed')
    this.#reader ??= TopicReader.open(this.#options.connection)
    const reader = await this.#reader
    for (const topic of this.#topics) yield* reader.read(topic, signal)
  }

  #isLetter({ headers }: FetchedRecord): boolean {
    return readHeaders(headers).get('broadcaster-consumer') === this.#consumer
  }

  /** To the topic where it stood, for its consumer alone. */
  async #putBack({ key, value, headers }: FetchedRecord): Promise<void> {
    const named = readHeaders(headers)
    const topic = named.get('broadcaster-topic') ?? ''
    const own = headers.flatMap(([name, content]): [string, Buffer][] =>
      isReasonHeader(String(name ?? '')) ? [] : [[String(name ?? ''), content ?? Buffer.alloc(0)]],
    )
    await this.#write(topic, key, value, [...own, [REQUEUED_FOR, Buffer.from(this.#consumer)]])
  }

  async #write(
    topic: string,
    key: Buffer | null,
    value: Buffer | null | undefined,
    headers: readonly (readonly [string, Buffer])[],
  ): Promise<void> {
    const choose = await this.#port.topic(topic)
    const message = {
      topic,
      key: key ?? undefined,
      value: value ?? undefined,
      headers: new Map(headers.map(([name, content]) => [Buffer.from(name), content])),
      size: 0,
    }
    const refused = await this.#port.produce([placed(message, choose)])
    for (const failure of refused.values()) throw failure.error
  }

  async #ask<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof BroadcasterError) throw error
      throw new OutageError(failureOf(error, this.#topics.join(', '), false).error.message, { cause: error })
    }
  }
}

/** What was too large for the dead-letter topic stands where it stood, and nowhere else. */
function incomplete(id: string): BroadcasterError {
  const message = `the dead letter ${id} has not all of its record, which was too large for the topic of dead letters; the headers broadcaster-topic, -partition and -offset say where the record itself is`
  return new BroadcasterError('SEND_PERMANENT', message, { field: 'id', value: id })
}

function idOf({ topic, partition, offset }: FetchedRecord): string {
  return `${topic} ${partition} ${offset}`
}

function letterOf(id: string, { headers, value }: FetchedRecord): DeadLetter {
  const named = readHeaders(headers)
  const reason = (name: string): string => named.get(`broadcaster-${name}`) ?? ''
  const about = {
    id,
    body: value ?? new Uint8Array(),
    consumer: reason('consumer'),
    error: reason('error'),
    attempts: Number(reason('attempts')),
    position: `${reason('topic')} ${reason('partition')} ${reason('offset')}`.trim(),
  }
  try {
    return { ...about, event: decodeKafka(named, value) }
  } catch (problem) {
    return { ...about, event: undefined, problem }
  }
}
