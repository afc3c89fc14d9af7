import { stringifyJson } from '../../event/json.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { defineCommand } from '../command.ts'
import { SELECTION_OPTIONS, selectionFilter } from '../event-selection.ts'
import { EXIT } from '../exit-codes.ts'
import { formatInstant, formatTable, shorten } from '../format.ts'

/** `broadcaster list`. */
export const list = defineCommand({
  name: 'list',
  summary: 'Lists events, the newest first.',
  options: {
    ...SELECTION_OPTIONS,
    search: { kind: 'text', value: 'text', help: 'Only events with this id, or this text in type, source or subject.' },
    limit: { kind: 'integer', min: 1, max: 100_000, help: 'At most so many. Default: 50.' },
    oldest: { kind: 'flag', help: 'The oldest first.' },
    after: { kind: 'text', value: 'id', help: 'Goes on after this event, where an earlier list ended.' },
    data: { kind: 'flag', help: 'With --json: reads the data of the events too.' },
  },
  examples: ['broadcaster list --status failed', 'broadcaster list --type "order.*" --since 2h --json'],
  async run({ options }, { terminal, ready }) {
    const filter = selectionFilter(options)
    const { broadcaster } = await ready()
    const { oldest, after, limit = 50, search } = options
    let query = search === undefined ? broadcaster.events.filter() : broadcaster.events.search(search)
    query = query.filter(filter).orderBy(oldest ? 'id' : '-id')
    if (after !== undefined) query = query.filter({ id: oldest ? { gt: after } : { lt: after } })
    if (options.json && options.data) query = query.include('data')
    // One more than asked for tells whether there are more.
    const found = await query.limit(limit + 1).all()
    const events = found.slice(0, limit)
    const last = found.length > limit ? events.at(-1) : undefined
    if (options.json) {
      terminal.out(stringifyJson({ events, next: last?.id ?? null }))
    } else if (events.length === 0) {
      terminal.note('No events match.')
    } else {
      for (const line of formatTable(TITLES, events.map(row))) terminal.out(line)
      if (last) terminal.note(`There are more: --after ${last.id}`)
    }
    return EXIT.ok
  },
})

const TITLES = ['ID', 'STATUS', 'TYPE', 'KEY', 'BACKEND', 'RETRIES', 'CREATED (UTC)', 'LAST ERROR']

function row(event: OutboxEvent): readonly string[] {
  return [
    event.id,
    event.status,
    shorten(event.eventType, 40),
    shorten(event.partitionKey ?? '', 24),
    event.publisherBackend,
    `${event.retryCount}/${event.maxRetries}`,
    formatInstant(event.createdAt),
    shorten(event.lastError, 60),
  ]
}
