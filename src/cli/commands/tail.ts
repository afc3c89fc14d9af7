import { setTimeout as sleep } from 'node:timers/promises'
import { stringifyJson } from '../../event/json.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { defineCommand } from '../command.ts'
import { PACE } from '../command-options.ts'
import { errorFields } from '../error-fields.ts'
import { eventFilter, FILTER_OPTION } from '../event-filter.ts'
import { EXIT } from '../exit-codes.ts'
import { shorten } from '../format.ts'
import { NewEvents } from '../new-events.ts'

/** How often it is looked, in milliseconds. */
const INTERVAL = 1_000
/** What a line says before the id; a window that is narrower gets less of the type and the key. */
const TIME = '12:00:00.000'.length
const ID = 36
const STATUS = 'processing'.length
const GAP = '  '

/** `broadcaster tail`. */
export const tail = defineCommand({
  name: 'tail',
  summary: 'Shows events as they are published, until it is stopped.',
  description:
    'One line for each, as it is when it is first seen: what commits late comes late, up to a minute after its time. Events that others\n' +
    'inserted with a random id are not seen.',
  options: {
    ...FILTER_OPTION,
    since: {
      kind: 'instant',
      value: 'when',
      help: 'First shows those created since then: a date, or 2h. Default: from now on.',
    },
    interval: { kind: 'duration', ...PACE, help: 'Looks so often. Default: 1s.' },
    data: { kind: 'flag', help: 'With --json: reads the data of the events too.' },
  },
  examples: [
    'broadcaster tail',
    'broadcaster tail --filter "type:order.* key:42" --since 10m',
    'broadcaster tail --json',
  ],
  async run({ options }, { terminal, ready }) {
    const { filter: text = '', since, interval = INTERVAL, json } = options
    eventFilter(text, new Date())
    const { broadcaster } = await ready()
    const { at } = await broadcaster.status()
    const ahead = (at?.getTime() ?? Date.now()) - Date.now()
    const now = (): number => Date.now() + ahead
    const all = broadcaster.admin.filter()
    const columns = json && options.data ? all.include('data', 'dataBinary') : all
    const events = new NewEvents(columns, eventFilter(text, new Date(now())), { since, now })
    const signal = terminal.stopSignal()
    await events.begin()
    if (!json) terminal.note('Waiting for events; Ctrl-C ends it.', 'dim')
    let trouble = ''
    while (!signal.aborted) {
      let more = false
      try {
        const found = await events.next()
        more = found.more
        for (const event of found.events) {
          if (json) terminal.verbatim(stringifyJson(event))
          else terminal.verbatim(lineOf(event, terminal.width))
        }
        trouble = ''
      } catch (error) {
        const { message, retryable } = errorFields(error)
        if (!retryable) throw error
        // Once for each trouble: it goes on by itself.
        if (message !== trouble) terminal.note(`${message}; trying again`, 'yellow')
        trouble = message
      }
      if (!more) await sleep(interval, undefined, { signal }).catch(() => undefined)
    }
    return EXIT.ok
  },
})

/** The id stays whole: it is what one copies. In a pipe the date is there too, and nothing is cut. */
function lineOf(event: OutboxEvent, width: number | undefined): string {
  const { id, createdAt, status, eventType, partitionKey, publisherBackend } = event
  const at = createdAt.toISOString()
  if (width === undefined) return [at, id, status, eventType, partitionKey ?? '', publisherBackend].join(GAP).trimEnd()
  const rest = width - TIME - ID - STATUS - 3 * GAP.length
  const what = [eventType, partitionKey ?? '', publisherBackend].filter((part) => part !== '').join(' ')
  const head = [at.slice(11, 11 + TIME), id, status.padEnd(STATUS)].join(GAP)
  return rest < 1 ? head.trimEnd() : `${head}${GAP}${shorten(what, rest)}`
}
