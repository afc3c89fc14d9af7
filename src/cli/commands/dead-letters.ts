import type { ConsumerDeadLetters } from '../../admin/consumer-dead-letters.ts'
import type { DeadLetter } from '../../consumer/dead-letter-place.ts'
import { stringifyJson } from '../../event/json.ts'
import { countOf } from '../../foundation/for-people.ts'
import { suggestion } from '../../foundation/suggestion.ts'
import { defineCommand } from '../command.ts'
import type { Configured } from '../config-file.ts'
import { EXIT, interruptedCode, UsageError } from '../exit-codes.ts'
import { shorten } from '../format.ts'
import { OPERATOR_OPTIONS, operator } from '../operator.ts'
import { type Column, fitTable } from '../table.ts'

/** How many are asked for at a time with `--all`. */
const PAGE = 100

/** `broadcaster dead-letters`. */
export const deadLetters = defineCommand({
  name: 'dead-letters',
  summary: 'Lists what a consumer gave up on, or hands it to that consumer again.',
  description:
    'Consumers are known by `subscriptions` of the configuration file: { billing: kafkaSubscription({ ... }) }.\n' +
    'A requeued message comes again to the consumer that gave it up, and is no longer a dead letter.',
  positionals: '<list consumer | requeue consumer [id ...]>',
  options: {
    ...OPERATOR_OPTIONS,
    limit: { kind: 'integer', min: 1, max: 10_000, help: 'With list: at most this many. Default: 50.' },
    after: { kind: 'text', value: 'id', help: 'With list: goes on after this one, where an earlier list ended.' },
    all: { kind: 'flag', help: 'With requeue: all that there are now; in place of ids.' },
  },
  examples: ['broadcaster dead-letters list billing', 'broadcaster dead-letters requeue billing --all'],
  async run({ options, positionals }, { terminal, outboxes }) {
    const [action, consumer, ...ids] = positionals
    const lists = action === 'list' && ids.length === 0 && !options.all
    const requeues = action === 'requeue' && ids.length > 0 !== options.all
    if (consumer === undefined || !(lists || requeues)) {
      throw new UsageError('dead-letters takes list and a consumer, or requeue, a consumer and ids or --all')
    }
    const place = placeOf(await outboxes(), consumer)
    try {
      if (lists) {
        const { limit = 50, after } = options
        // One more than asked for tells whether there are more.
        const found = await place.list({ limit: limit + 1, after })
        const letters = found.slice(0, limit)
        const next = found.length > limit ? (letters.at(-1)?.id ?? null) : null
        if (options.json) terminal.verbatim(stringifyJson({ letters: letters.map(fields), next }))
        else if (letters.length === 0) terminal.note(`There are no dead letters of ${consumer} (${place.description}).`)
        else for (const line of fitTable(COLUMNS, letters, terminal.width)) terminal.out(line)
        if (next !== null && !options.json) terminal.note(`There are more: --after ${next}`)
        return EXIT.ok
      }
      const requeued: string[] = []
      const missing: string[] = []
      const signal = terminal.stopSignal()
      const tell = (whole: boolean): void => {
        if (options.json) {
          terminal.verbatim(stringifyJson({ requeued, missing, ...(whole ? {} : { interrupted: true }) }))
          return
        }
        terminal.out(`${countOf(requeued.length, 'message')} requeued.`)
        if (missing.length > 0) terminal.note(`No such dead letter: ${missing.join(', ')}`)
        if (!whole) terminal.note('Interrupted: the rest are still dead letters. Run the command again for them.')
      }
      try {
        for (const id of options.all ? await allOf(place, signal) : ids) {
          if (signal.aborted) break
          const found = await place.requeue(id, undefined, operator(options))
          ;(found ? requeued : missing).push(id)
          if (requeued.length % PAGE === 0 && found)
            terminal.progress(`${countOf(requeued.length, 'message')} requeued ...`)
        }
      } catch (error) {
        // What was done stays done, whatever happened then.
        if (requeued.length + missing.length > 0) tell(false)
        throw error
      }
      tell(!signal.aborted)
      if (signal.aborted) return interruptedCode(signal)
      return missing.length > 0 && !options.all ? EXIT.notFound : EXIT.ok
    } finally {
      await place.close()
    }
  },
})

/** Those that are there now: what is given up again meanwhile is not asked for again. */
async function allOf(place: ConsumerDeadLetters, signal: AbortSignal): Promise<readonly string[]> {
  const ids: string[] = []
  for (;;) {
    const letters = await place.list({ limit: PAGE, after: ids.at(-1) })
    for (const { id } of letters) ids.push(id)
    if (letters.length < PAGE || signal.aborted) return ids
  }
}

/** The place of the consumer, in whichever outbox knows it. */
function placeOf(outboxes: readonly Configured[], consumer: string): ConsumerDeadLetters {
  const names = outboxes.flatMap(({ subscriptions }) => Object.keys(subscriptions))
  const outbox = outboxes.find(({ subscriptions }) => Object.hasOwn(subscriptions, consumer))
  if (outbox !== undefined) return outbox.broadcaster.admin.deadLetters(consumer)
  const known = names.length === 0 ? 'there are none: add subscriptions to it' : `there are ${names.join(', ')}`
  const hint = suggestion(consumer, names) || `; ${known}`
  throw new UsageError(`the configuration file has no subscription of the consumer ${consumer}${hint}`)
}

const attribute = ({ event }: DeadLetter, name: string): string => String(event?.attributes[name] ?? '')

/** The id is never cut: it is what one copies. */
const COLUMNS: readonly Column<DeadLetter>[] = [
  { title: 'ID', cell: ({ id }) => id },
  {
    title: 'TYPE',
    cell: (letter) => (letter.event === undefined ? '(no event)' : shorten(attribute(letter, 'type'), 40)),
    least: 10,
  },
  { title: 'KEY', cell: (letter) => shorten(attribute(letter, 'partitionkey'), 24), least: 6, expendable: 2 },
  { title: 'ATTEMPTS', cell: ({ attempts }) => String(attempts), expendable: 3 },
  { title: 'FROM', cell: ({ position }) => position, least: 8, expendable: 4 },
  { title: 'ERROR', cell: ({ error }) => shorten(error, 60), least: 14, expendable: 1 },
]

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
