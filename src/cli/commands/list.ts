import { stringifyJson } from '../../event/json.ts'
import { formatDuration } from '../../foundation/for-people.ts'
import { FAR_FUTURE } from '../../record/columns.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { UNSETTLED } from '../../record/status.ts'
import { defineCommand } from '../command.ts'
import { eventId, SELECTION_OPTIONS, selectionFilter, unknownBackend } from '../event-selection.ts'
import { EXIT } from '../exit-codes.ts'
import { formatInstant, shorten } from '../format.ts'
import { type Column, fitTable } from '../table.ts'
import type { Colour } from '../terminal.ts'
import { waitsOf } from '../waits.ts'

/** `broadcaster list`. */
export const list = defineCommand({
  name: 'list',
  summary: 'Lists events, the newest first.',
  options: {
    ...SELECTION_OPTIONS,
    search: { kind: 'text', value: 'text', help: 'Only events with this id, or this text in type, source or subject.' },
    limit: { kind: 'integer', min: 1, max: 100_000, help: 'At most this many. Default: 50.' },
    oldest: { kind: 'flag', help: 'The oldest first.' },
    after: { kind: 'text', value: 'id', help: 'Goes on after this event, where an earlier list ended.' },
    data: { kind: 'flag', help: 'With --json: reads the data of the events too.' },
  },
  examples: ['broadcaster list --status failed', 'broadcaster list --type "order.*" --since 2h --json'],
  async run({ options }, { terminal, ready }) {
    const filter = selectionFilter(options)
    const after = options.after === undefined ? undefined : eventId(options.after)
    const outbox = await ready()
    const { broadcaster, backends } = outbox
    const { oldest, limit = 50, search } = options
    let query = search === undefined ? broadcaster.admin.filter() : broadcaster.admin.search(search)
    query = query.filter(filter).orderBy(oldest ? 'id' : '-id')
    if (after !== undefined) query = query.filter({ id: oldest ? { gt: after } : { lt: after } })
    if (options.json && options.data) query = query.include('data')
    // One more than asked for tells whether there are more.
    const found = await query.limit(limit + 1).all()
    const events = found.slice(0, limit)
    const last = found.length > limit ? events.at(-1) : undefined
    const unknown = events.length === 0 ? unknownBackend(options.backend, backends) : ''
    if (unknown !== '') terminal.note(unknown)
    if (options.json) {
      terminal.verbatim(stringifyJson({ events, next: last?.id ?? null }))
    } else if (events.length === 0) {
      terminal.note('No events match.')
    } else {
      const waits = await waitsOf(outbox, events)
      const [titles = '', ...lines] = fitTable(columnsOf(waits, new Date()), events, terminal.width)
      terminal.out(titles, 'bold')
      for (const [n, line] of lines.entries()) terminal.out(line, colourOf(events[n], waits))
      if (last) terminal.note(`There are more: --after ${last.id}`)
    }
    return EXIT.ok
  },
})

/** The id is never cut: it is what one copies. What says least is left out first in a narrow window. */
function columnsOf(waits: ReadonlyMap<string, string>, now: Date): readonly Column<OutboxEvent>[] {
  return [
    { title: 'ID', cell: ({ id }) => id },
    { title: 'STATUS', cell: ({ status }) => status },
    { title: 'TYPE', cell: ({ eventType }) => shorten(eventType, 40), least: 12 },
    { title: 'KEY', cell: ({ partitionKey }) => shorten(partitionKey ?? '', 24), least: 6, expendable: 2 },
    { title: 'BACKEND', cell: ({ publisherBackend }) => publisherBackend, least: 7, expendable: 3 },
    { title: 'FAILURES', cell: ({ retryCount, maxRetries }) => `${retryCount}/${maxRetries}`, expendable: 6 },
    { title: 'CREATED (UTC)', cell: ({ createdAt }) => formatInstant(createdAt), expendable: 7 },
    { title: 'DUE', cell: (event) => due(event, now), expendable: 1 },
    { title: 'WAITS FOR', cell: ({ id }) => waits.get(id) ?? '', expendable: 4 },
    { title: 'LAST ERROR', cell: ({ lastError }) => shorten(lastError, 60), least: 16, expendable: 5 },
  ]
}

/** When it is tried: `now`, `in 3 min`; nothing for what is settled, or behind an event that failed for good. */
function due({ status, availableAt, scheduledAt }: OutboxEvent, now: Date): string {
  if (!UNSETTLED.includes(status) || availableAt?.getTime() === FAR_FUTURE.getTime()) return ''
  const left = (availableAt ?? scheduledAt).getTime() - now.getTime()
  return left <= 0 ? 'now' : `in ${formatDuration(left)}`
}

function colourOf(event: OutboxEvent | undefined, waits: ReadonlyMap<string, string>): Colour | undefined {
  if (event?.status === 'failed') return 'red'
  return event?.status === 'retry' || (event !== undefined && waits.has(event.id)) ? 'yellow' : undefined
}
