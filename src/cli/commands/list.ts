import { type SearchResult, searchEvents } from '../../admin/event-search.ts'
import { stringifyJson } from '../../event/json.ts'
import { countOf, formatDuration } from '../../foundation/for-people.ts'
import { FAR_FUTURE } from '../../record/columns.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import type { RecordFilter } from '../../record/record-source.ts'
import { UNSETTLED } from '../../record/status.ts'
import { defineCommand } from '../command.ts'
import type { OptionValues } from '../command-options.ts'
import type { Configured } from '../config-file.ts'
import { eventFilter, FILTER_OPTION } from '../event-filter.ts'
import { eventId, SELECTION_OPTIONS, selectionFilter, unknownBackend } from '../event-selection.ts'
import { EXIT, UsageError } from '../exit-codes.ts'
import { formatInstant, shorten } from '../format.ts'
import { type Column, fitTable } from '../table.ts'
import type { Colour } from '../terminal.ts'
import { waitsOf } from '../waits.ts'

/** `broadcaster list`. */
export const list = defineCommand({
  name: 'list',
  summary: 'Lists events, the newest first.',
  options: {
    ...FILTER_OPTION,
    ...SELECTION_OPTIONS,
    search: { kind: 'text', value: 'text', help: 'Only events with this id, or this text in type, source or subject.' },
    limit: { kind: 'integer', min: 1, max: 100_000, help: 'At most this many. Default: 50.' },
    oldest: { kind: 'flag', help: 'The oldest first.' },
    after: { kind: 'text', value: 'id', help: 'Goes on after this event, where an earlier list ended.' },
    data: { kind: 'flag', help: 'With --json: reads the data of the events too.' },
  },
  examples: [
    'broadcaster list --status failed',
    'broadcaster list --filter "status:failed -code:ECONNREFUSED created:<1h"',
    'broadcaster list --type "order.*" --since 2h --json',
  ],
  async run({ options }, { terminal, ready }) {
    const where = selectionOf(options)
    const after = options.after === undefined ? undefined : eventId(options.after)
    const outbox = await ready()
    const { backends } = outbox
    const limit = options.limit ?? 50
    const { events, more, looked } = await pageOf(outbox, where, { ...options, after, limit })
    const last = more ? events.at(-1)?.id : (looked?.last ?? undefined)
    const unknown = events.length === 0 ? unknownBackend(options.backend, backends) : ''
    if (unknown !== '') terminal.note(unknown)
    if (options.json) {
      terminal.verbatim(stringifyJson({ events, next: last ?? null, ...(looked && { searched: looked.rows }) }))
    } else if (events.length === 0) {
      terminal.note(looked === null ? 'No events match.' : 'None was found so far.')
    } else {
      const waits = await waitsOf(outbox, events)
      const [titles = '', ...lines] = fitTable(columnsOf(waits, new Date()), events, terminal.width)
      terminal.out(titles, 'bold')
      for (const [n, line] of lines.entries()) terminal.out(line, colourOf(events[n], waits))
      if (more) terminal.note(`There are more: --after ${last}`)
    }
    if (looked !== null && !options.json) {
      const until =
        looked.until === null ? '' : `, ${options.oldest ? 'up to' : 'back to'} ${formatInstant(looked.until)} UTC`
      terminal.note(`Searched ${countOf(looked.rows, 'row')}${until}; to go on: --after ${last}`)
    }
    return EXIT.ok
  },
})

/** How far a search goes that no index answers. */
const BUDGET = { rows: 1_000_000, time: 10_000 }

interface Selection {
  readonly filter: string | undefined
  readonly where: RecordFilter
}

/** Throws `UsageError`: a filter says all. */
function selectionOf(
  options: OptionValues<typeof SELECTION_OPTIONS & typeof FILTER_OPTION> & { readonly search: string | undefined },
): Selection {
  const where = selectionFilter(options)
  const { filter } = options
  if (filter === undefined) return { filter, where }
  const [other] = [...Object.keys(SELECTION_OPTIONS), 'search'].filter((name) =>
    isGiven(options[name as keyof typeof options]),
  )
  if (other !== undefined) throw new UsageError(`--${other} has no effect beside --filter; say it there`)
  eventFilter(filter, new Date())
  return { filter, where: {} }
}

function isGiven(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined
}

interface Paging {
  readonly search: string | undefined
  readonly oldest: boolean
  readonly json: boolean
  readonly data: boolean
  readonly after: string | undefined
  readonly limit: number
}

/** One page of events. */
async function pageOf(
  { broadcaster }: Configured,
  { filter, where }: Selection,
  paging: Paging,
): Promise<SearchResult> {
  const { search, oldest, json, data, after, limit } = paging
  const all = search === undefined ? broadcaster.admin.filter() : broadcaster.admin.search(search)
  const read = json && data ? all.include('data') : all
  if (filter !== undefined) {
    const { at } = await broadcaster.status()
    return searchEvents(read, eventFilter(filter, at ?? new Date()), { after, oldest, limit, ...BUDGET })
  }
  const behind = after === undefined ? {} : { id: oldest ? { gt: after } : { lt: after } }
  // One more than asked for tells whether there are more.
  const found = await read
    .filter(where)
    .filter(behind)
    .orderBy(oldest ? 'id' : '-id')
    .limit(limit + 1)
    .all()
  return { events: found.slice(0, limit), more: found.length > limit, looked: null }
}

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
