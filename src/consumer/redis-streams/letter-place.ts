import { BroadcasterError } from '../../errors.ts'
import type { DeadLetter, DeadLetterPage, DeadLetterPlace } from '../dead-letter-place.ts'
import { REASON_FIELD, REQUEUED_FOR_FIELD } from './dead-letter.ts'
import { RedisLink } from './link.ts'
import type { ResolvedRedisSubscriptionOptions } from './options.ts'
import { readEntry } from './read-entry.ts'

type RawEntry = readonly [id: string, fields: readonly string[]]

/** As many as are read at once: consumers of other names may put theirs into the same stream. */
const PAGE = 500

/** The dead letters of one consumer, in their stream; the id of one is that of its entry there. */
export class RedisLetterPlace implements DeadLetterPlace {
  readonly description: string
  readonly #options: ResolvedRedisSubscriptionOptions
  readonly #link: RedisLink
  readonly #consumer: string

  constructor(options: ResolvedRedisSubscriptionOptions, consumer: string) {
    this.#options = options
    this.#consumer = consumer
    this.#link = new RedisLink(options, 0)
    this.description = `redis-streams ${options.deadLetter.stream}`
  }

  async list({ limit, after }: DeadLetterPage, signal: AbortSignal): Promise<readonly DeadLetter[]> {
    const found: DeadLetter[] = []
    let start = after === undefined ? '-' : `(${after}`
    while (found.length < limit) {
      signal.throwIfAborted()
      const page = await this.#read(start, '+', PAGE)
      for (const entry of page) {
        if (this.#isOurs(entry) && found.length < limit) found.push(letterOf(entry))
      }
      const last = page.at(-1)
      if (!last || page.length < PAGE) break
      start = `(${last[0]}`
    }
    return found
  }

  async requeue(id: string, signal: AbortSignal): Promise<boolean> {
    if (!/^\d+-\d+$/.test(id)) return false
    signal.throwIfAborted()
    const [entry] = await this.#read(id, id, 1)
    if (!entry || !this.#isOurs(entry)) return false
    const own = ownFields(entry[1])
    if (own.length === 0) {
      const message =
        'the entry had been trimmed from its stream when it was given up: nothing is left to requeue; replay the event'
      throw new BroadcasterError('DECODE_FAILED', message, { field: 'id', value: id })
    }
    const stream = reasonOf(entry[1], 'stream') || this.#options.stream
    await this.#link.run(stream, ['XADD', stream, '*', ...own, REQUEUED_FOR_FIELD, this.#consumer])
    const dead = this.#options.deadLetter.stream
    await this.#link.run(dead, ['XDEL', dead, id])
    return true
  }

  close(): Promise<void> {
    return this.#link.close()
  }

  #isOurs([, fields]: RawEntry): boolean {
    return reasonOf(fields, 'consumer') === this.#consumer
  }

  async #read(from: string, to: string, count: number): Promise<readonly RawEntry[]> {
    const { stream } = this.#options.deadLetter
    return (await this.#link.run(stream, ['XRANGE', stream, from, to, 'COUNT', String(count)])) as readonly RawEntry[]
  }
}

function letterOf([id, fields]: RawEntry): DeadLetter {
  const own = ownFields(fields)
  const at = own.findIndex((name, n) => n % 2 === 0 && name === 'cloud_event')
  return {
    id,
    ...readEntry({ fields: own.length === 0 ? null : own }),
    body: Buffer.from((at < 0 ? undefined : own[at + 1]) ?? ''),
    consumer: reasonOf(fields, 'consumer'),
    error: reasonOf(fields, 'error'),
    attempts: Number(reasonOf(fields, 'attempts')),
    position: `${reasonOf(fields, 'stream')} ${reasonOf(fields, 'entry')}`,
  }
}

/** Ours stand last. */
function reasonOf(fields: readonly string[], name: string): string {
  const at = fields.findLastIndex((each, n) => n % 2 === 0 && each === `${REASON_FIELD}${name}`)
  return (at < 0 ? undefined : fields[at + 1]) ?? ''
}

function ownFields(fields: readonly string[]): readonly string[] {
  return fields.filter((_, n) => !fields[n - (n % 2)]?.startsWith(REASON_FIELD))
}
