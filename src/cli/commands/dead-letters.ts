import type { DeadLetter, DeadLetterPlace } from '../../consumer/dead-letter-place.ts'
import type { Subscription } from '../../consumer/subscription.ts'
import { stringifyJson } from '../../event/json.ts'
import { suggestion } from '../../suggestion.ts'
import { defineCommand } from '../command.ts'
import type { Configured } from '../config-file.ts'
import { EXIT, UsageError } from '../exit-codes.ts'
import { countOf, formatTable, shorten } from '../format.ts'

/** How long the broker may take for one page or one letter, in milliseconds. */
const PATIENCE = 30_000
/** How many are asked for at a time with `--all`. */
const PAGE = 100

/** `broadcaster dead-letters`. */
export const deadLetters = defineCommand({
  name: 'dead-letters',
  summary: 'Lists what a consumer gave up on, or hands it to that consumer again.',
  description:
    'Consumers are known by `subscriptions` of the configuration file: { billing: kafkaSubscription({ ... }) }.\n' +
    'A requeued message comes again to the consumer that gave it up, and is no dead letter any more.',
  positionals: '<list consumer | requeue consumer [id ...]>',
  options: {
    limit: { kind: 'integer', min: 1, max: 10_000, help: 'With list: at most so many. Default: 50.' },
    after: { kind: 'text', value: 'id', help: 'With list: goes on after this one, where an earlier list ended.' },
    all: { kind: 'flag', help: 'With requeue: all that there are now; in place of ids.' },
  },
  examples: ['broadcaster dead-letters list billing', 'broadcaster dead-letters requeue billing --all'],
  async run({ options, positionals }, { terminal, stores }) {
    const [action, consumer, ...ids] = positionals
    const lists = action === 'list' && ids.length === 0 && !options.all
    const requeues = action === 'requeue' && ids.length > 0 !== options.all
    if (consumer === undefined || !(lists || requeues)) {
      throw new UsageError('dead-letters takes list and a consumer, or requeue, a consumer and ids or --all')
    }
    const place = placeOf(await stores(), consumer)
    try {
      if (lists) {
        const { limit = 50, after } = options
        // One more than asked for tells whether there are more.
        const page = { limit: limit + 1, ...(after === undefined ? {} : { after }) }
        const found = await place.list(page, AbortSignal.timeout(PATIENCE))
        const letters = found.slice(0, limit)
        const next = found.length > limit ? (letters.at(-1)?.id ?? null) : null
        if (options.json) terminal.out(stringifyJson({ letters: letters.map(fields), next }))
        else if (letters.length === 0) terminal.note(`No dead letters of ${consumer} (${place.description}).`)
        else for (const line of formatTable(TITLES, letters.map(row))) terminal.out(line)
        if (next !== null && !options.json) terminal.note(`There are more: --after ${next}`)
        return EXIT.ok
      }
      const requeued: string[] = []
      const missing: string[] = []
      for (const id of options.all ? await allOf(place) : ids) {
        const found = await place.requeue(id, AbortSignal.timeout(PATIENCE))
        ;(found ? requeued : missing).push(id)
        if (requeued.length % PAGE === 0 && found)
          terminal.progress(`${countOf(requeued.length, 'message')} requeued ...`)
      }
      if (options.json) terminal.out(stringifyJson({ requeued, missing }))
      else terminal.out(`${countOf(requeued.length, 'message')} requeued.`)
      if (missing.length > 0 && !options.json) terminal.note(`No such dead letter: ${missing.join(', ')}`)
      return missing.length > 0 && !options.all ? EXIT.notFound : EXIT.ok
    } finally {
      await place.close()
    }
  },
})

/** Those that are there now: what is given up again meanwhile is not asked for again. */
async function allOf(place: DeadLetterPlace): Promise<readonly string[]> {
  const ids: string[] = []
  for (;;) {
    const last = ids.at(-1)
    const page = { limit: PAGE, ...(last === undefined ? {} : { after: last }) }
    const letters = await place.list(page, AbortSignal.timeout(PATIENCE))
    for (const { id } of letters) ids.push(id)
    if (letters.length < PAGE) return ids
  }
}

function placeOf(stores: readonly Configured[], consumer: string): DeadLetterPlace {
  const all = new Map<string, Subscription>(stores.flatMap(({ subscriptions }) => Object.entries(subscriptions)))
  const subscription = all.get(consumer)
  if (subscription === undefined) {
    const names = [...all.keys()]
    const known = names.length === 0 ? 'there are none: add subscriptions to it' : `there are ${names.join(', ')}`
    const hint = suggestion(consumer, names) || `; ${known}`
    throw new UsageError(`the configuration file has no subscription of the consumer ${consumer}${hint}`)
  }
  const place = subscription.deadLetterPlace?.({ consumer })
  if (place !== undefined) return place
  throw new UsageError(
    `the dead letters of ${subscription.description} cannot be listed; its subscription has no deadLetterPlace`,
  )
}

const TITLES = ['ID', 'TYPE', 'KEY', 'ATTEMPTS', 'FROM', 'ERROR']

function row({ id, event, attempts, position, error }: DeadLetter): readonly string[] {
  const { type, partitionkey = '' } = event?.attributes ?? {}
  return [
    id,
    event === undefined ? '(no event)' : shorten(String(type), 40),
    shorten(String(partitionkey), 24),
    String(attempts),
    position,
    shorten(error, 60),
  ]
}

function fields({ id, event, body, consumer, error, attempts, position }: DeadLetter) {
  const data = event?.dataJson ?? null
  return {
    id,
    consumer,
    attempts,
    position,
    error,
    attributes: event?.attributes ?? null,
    data: data === null ? null : (JSON.parse(data) as unknown),
    bytes: body.length,
  }
}
