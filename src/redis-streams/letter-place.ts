import { type DeadLetter, type DeadLetterPage, type DeadLetterPlace, letterOf } from '../consumer/dead-letter-place.ts'
import { BroadcasterError } from '../errors.ts'
import { redisLink } from './ask.ts'
import { REASON_FIELD, REQUEUED_FOR_FIELD } from './dead-letter.ts'
import { readEntry } from './read-entry.ts'
import type { ResolvedRedisSubscriptionOptions } from './subscription-options.ts'

type RawEntry = readonly [id: string, fields: readonly string[]]

/** The most read at once: the stream may hold letters of other consumers too. */
const PAGE = 500

/** The dead letters of one consumer, in their stream; the id of one is that of its entry there. */
export function redisLetterPlace(options: ResolvedRedisSubscriptionOptions, consumer: string): DeadLetterPlace {
  const { run, close } = redisLink(options, 0)
  const dead = options.deadLetter.stream

  async function list({ limit, after }: DeadLetterPage, signal: AbortSignal): Promise<readonly DeadLetter[]> {
    const found: DeadLetter[] = []
    let start = after === undefined ? '-' : `(${after}`
    while (found.length < limit) {
      signal.throwIfAborted()
      const page = await entries(start, '+', PAGE)
      for (const entry of page) {
        if (isOurs(entry) && found.length < limit) found.push(read(entry))
      }
      const last = page.at(-1)
      if (!last || page.length < PAGE) break
      start = `(${last[0]}`
    }
    return found
  }

  async function requeue(id: string, signal: AbortSignal): Promise<boolean> {
    if (!/^\d+-\d+$/.test(id)) return false
    signal.throwIfAborted()
    const [entry] = await entries(id, id, 1)
    if (!entry || !isOurs(entry)) return false
    const own = ownFields(entry[1])
    if (own.length === 0) {
      const message =
        'the entry had been trimmed from its stream when it was given up: nothing is left to requeue; replay the event'
      throw new BroadcasterError('DECODE_FAILED', message, { field: 'id', value: id })
    }
    const stream = reasonOf(entry[1], 'stream') || options.stream
    await run(stream, ['XADD', stream, '*', ...own, REQUEUED_FOR_FIELD, consumer])
    await run(dead, ['XDEL', dead, id])
    return true
  }

  function isOurs([, fields]: RawEntry): boolean {
    return reasonOf(fields, 'consumer') === consumer
  }

  async function entries(from: string, to: string, count: number): Promise<readonly RawEntry[]> {
    return (await run(dead, ['XRANGE', dead, from, to, 'COUNT', String(count)])) as readonly RawEntry[]
  }

  return { description: `redis-streams ${dead}`, list, requeue, close }
}

function read([id, fields]: RawEntry): DeadLetter {
  const own = ownFields(fields)
  const at = own.findIndex((name, n) => n % 2 === 0 && name === 'cloud_event')
  const body = Buffer.from((at < 0 ? undefined : own[at + 1]) ?? '')
  const reason = (name: string): string => reasonOf(fields, name)
  const event = readEntry({ fields: own.length === 0 ? null : own })
  return letterOf(id, body, event, `${reason('stream')} ${reason('entry')}`, reason)
}

/** Our fields come last. */
function reasonOf(fields: readonly string[], name: string): string {
  const at = fields.findLastIndex((each, n) => n % 2 === 0 && each === `${REASON_FIELD}${name}`)
  return (at < 0 ? undefined : fields[at + 1]) ?? ''
}

function ownFields(fields: readonly string[]): readonly string[] {
  return fields.filter((_, n) => !fields[n - (n % 2)]?.startsWith(REASON_FIELD))
}
