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
import { decodeKafka } from '../event/kafka.ts'
import { deadLetterPort, deadTopicOf, produceOne } from './dead-letter.ts'
import { errorOfConnection } from './failure.ts'
import type { FetchedRecord } from './partition.ts'
import { readHeaders } from './read-headers.ts'
import type { ResolvedKafkaSubscriptionOptions } from './subscription-options.ts'
import { TopicReader } from './topic-reader.ts'

/** The header of a record that marks an earlier one as requeued: Kafka cannot delete a single record. */
const REQUEUED = 'broadcaster-requeued'

/** The dead letters of one consumer, in topics that several may share. An id is `<topic> <partition> <offset>`. */
export function kafkaLetterPlace(options: ResolvedKafkaSubscriptionOptions, consumer: string): DeadLetterPlace {
  let reader: Promise<TopicReader> | undefined
  let closing: Promise<void> | undefined
  const port = deadLetterPort(options)
  const topics = [...new Set(options.topics.map((topic) => deadTopicOf(options, topic)))]
  const names = topics.join(', ')

  function list({ limit, after }: DeadLetterPage, signal: AbortSignal): Promise<readonly DeadLetter[]> {
    return ask(async () => {
      const requeued = await readRequeued(signal)
      const found: DeadLetter[] = []
      let begun = after === undefined
      for await (const record of records(signal)) {
        const id = idOf(record)
        if (begun && isLetter(record) && !requeued.has(id)) found.push(read(id, record))
        if (id === after) begun = true
        if (found.length >= limit) break
      }
      return found
    })
  }

  function requeue(id: string, signal: AbortSignal): Promise<boolean> {
    return ask(async () => {
      const requeued = await readRequeued(signal)
      if (requeued.has(id)) return false
      for await (const record of records(signal)) {
        if (idOf(record) !== id || !isLetter(record)) continue
        if (readHeaders(record.headers).has('broadcaster-left-out')) throw incomplete(id)
        await putBack(record)
        await write(record.topic, Buffer.from(id), null, [[Buffer.from(REQUEUED), Buffer.from(id)]])
        return true
      }
      return false
    })
  }

  async function end(): Promise<void> {
    await port.close()
    await (await reader?.catch(() => undefined))?.close()
  }

  /** The first pass: the marks of requeued letters come after the letters. */
  async function readRequeued(signal: AbortSignal): Promise<ReadonlySet<string>> {
    const found = new Set<string>()
    for await (const { headers } of records(signal)) {
      const id = readHeaders(headers).get(REQUEUED)
      if (id !== undefined) found.add(id)
    }
    return found
  }

  async function* records(signal: AbortSignal): AsyncGenerator<FetchedRecord> {
    if (closing !== undefined) throw new BroadcasterError('CLOSED', 'the dead letters are closed')
    reader ??= TopicReader.open(options.connection)
    for (const topic of topics) yield* (await reader).read(topic, signal)
  }

  function isLetter({ headers }: FetchedRecord): boolean {
    return readHeaders(headers).get('broadcaster-consumer') === consumer
  }

  /** Puts a record back into its topic, for its consumer alone. */
  function putBack({ key, value, headers }: FetchedRecord): Promise<void> {
    const own = headers.filter(([name]) => !isReasonHeader(String(name ?? '')))
    const topic = readHeaders(headers).get('broadcaster-topic') ?? ''
    return write(topic, key, value, [...own, [Buffer.from(REQUEUED_FOR), Buffer.from(consumer)]])
  }

  function write(topic: string, key: Buffer | null, value: Buffer | null, headers: FetchedRecord['headers']) {
    const named = headers.map(([name, content]) => [name ?? Buffer.alloc(0), content ?? Buffer.alloc(0)] as const)
    return produceOne(port, topic, { key: key ?? undefined, value: value ?? undefined, headers: new Map(named) })
  }

  async function ask<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw error instanceof BroadcasterError ? error : errorOfConnection(error, names)
    }
  }

  return { description: `kafka ${names}`, list, requeue, close: () => (closing ??= end()) }
}

/** What was too large for the dead-letter topic is only where it came from. */
function incomplete(id: string): BroadcasterError {
  const message = `the dead letter ${id} lacks a part of its record, which was too large for the topic of dead letters; the headers broadcaster-topic, -partition and -offset say where the record itself is`
  return new BroadcasterError('SEND_PERMANENT', message, { field: 'id', value: id })
}

function idOf({ topic, partition, offset }: FetchedRecord): string {
  return `${topic} ${partition} ${offset}`
}

function read(id: string, { headers, value }: FetchedRecord): DeadLetter {
  const named = readHeaders(headers)
  const reason = (name: string): string => named.get(`broadcaster-${name}`) ?? ''
  const position = `${reason('topic')} ${reason('partition')} ${reason('offset')}`.trim()
  return letterOf(
    id,
    value ?? new Uint8Array(),
    readEvent(() => decodeKafka(named, value)),
    position,
    reason,
  )
}
