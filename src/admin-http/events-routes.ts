import { countByIndex } from '../admin/event-search.ts'
import { suggestFor } from '../admin/filter-language/suggest.ts'
import { canonicalUuid } from '../event/uuid.ts'
import type { OutboxEvent } from '../record/outbox-event.ts'
import { UNSETTLED } from '../record/status.ts'
import { ApiError } from './api-problem.ts'
import type { CountAnswer, EventAnswer, EventRow, EventsAnswer, Suggestion } from './api-types.ts'
import { auditRow } from './audit-routes.ts'
import type { ApiRoute, Call } from './call.ts'
import { cursorOf, filterOf, placeOf, search, searchedOf, wholeNumber } from './filter-of-call.ts'
import { isBlocked } from './shown-event.ts'

const KIND = 'events'
/** A count stops here. */
const COUNTED = 10_000
/** Copies of an event for other backends that are shown. */
const COPIES = 20
/** What people did to it, at most. */
const AUDITED = 20
const DETAIL = ['data', 'dataBinary', 'attempts'] as const
const ORDERS = ['-created', 'created', '-id', 'id']
const Q = 'A filter, or @ and the id of one that is kept. Empty = all.'

export const EVENT_ROUTES: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: 'events',
    action: 'read',
    summary: 'Events that match a filter, by the time of their creation.',
    query: {
      q: Q,
      order: `One of ${ORDERS.join(', ')}. Default: -created.`,
      limit: 'At most this many, 1 to 200. Default: 50.',
      after: 'A cursor: next, previous or goOn of an answer.',
    },
    answer: 'EventsAnswer',
    run: listEvents,
  },
  {
    method: 'GET',
    path: 'events/count',
    action: 'read',
    summary: 'How many events match; stops at 10,000.',
    query: { q: Q },
    answer: 'CountAnswer',
    run: countEvents,
  },
  {
    method: 'GET',
    path: 'events/{id}',
    action: 'read',
    summary: 'One event in full, with what blocks it or waits for it.',
    answer: 'EventAnswer',
    run: showEvent,
  },
  {
    method: 'GET',
    path: 'suggest',
    action: 'read',
    summary: 'What can be written at a position in a filter.',
    query: { q: 'The filter as it is.', at: 'Where the cursor stands, in characters from 0. Default: at the end.' },
    answer: 'Suggestion[]',
    run: suggest,
  },
  {
    method: 'POST',
    path: 'filters',
    action: 'read',
    summary: 'Keeps a filter under a short id, for addresses.',
    body: { type: 'FilterBody', members: ['q'] },
    answer: 'FilterAnswer',
    async run(call) {
      const { q } = call.body
      if (typeof q !== 'string') throw new ApiError('BAD_REQUEST', 'q is not a string; give a filter.', { field: 'q' })
      await filterOf(call, q)
      const kept = call.desk.filters.read(q)
      return { id: call.desk.filters.keep(kept), q: kept }
    },
  },
  {
    method: 'GET',
    path: 'filters/{id}',
    action: 'read',
    summary: 'The filter that is kept under an id.',
    answer: 'FilterAnswer',
    run: ({ desk, params }) => ({ id: params['id'], q: desk.filters.filterOf(params['id'] ?? '') }),
  },
]

async function listEvents(call: Call): Promise<EventsAnswer> {
  const { query, outbox, desk } = call
  const order = query['order'] ?? '-created'
  if (!ORDERS.includes(order))
    throw new ApiError('BAD_REQUEST', `order is not one of ${ORDERS.join(', ')}.`, { field: 'order' })
  const isAscending = !order.startsWith('-')
  const filter = await filterOf(call, query['q'] ?? '')
  const limit = wholeNumber(call, 'limit', 50, 200)
  const place = placeOf(call, KIND)
  const back = place?.back === true
  const oldest = isAscending !== back
  const { events, more, looked } = await search(call, filter, { after: place?.id, oldest, limit })
  const rows = back ? events.toReversed() : events
  const at = (event: OutboxEvent | undefined, towardsStart: boolean): string | null =>
    event === undefined ? null : cursorOf(call, KIND, { id: event.id, back: towardsStart })
  const searched = looked && searchedOf(call, KIND, looked, (await outbox.feed.read()).totalRows)
  return {
    events: rows.map((event) => desk.view.row(event)),
    next: back || more ? at(rows.at(-1), false) : null,
    previous: (back ? more : place !== undefined) ? at(rows[0], true) : null,
    ...(searched && { searched }),
    at: outbox.feed.now().toISOString(),
  }
}

async function countEvents(call: Call): Promise<CountAnswer> {
  const filter = await filterOf(call, call.query['q'] ?? '')
  const all = await call.outbox.feed.read()
  if (filter.where.length === 0 && filter.tests.length === 0 && all.totalRows > COUNTED) {
    return { count: COUNTED, more: true }
  }
  const counted = await countByIndex(call.outbox.admin.filter(), filter, COUNTED + 1)
  if (counted !== undefined) return { count: Math.min(counted, COUNTED), more: counted > COUNTED }
  const { events, more, looked } = await search(call, filter, { limit: COUNTED, idsOnly: true })
  const searched = looked && searchedOf(call, KIND, looked, all.totalRows)
  return { count: events.length, more: more || looked !== null, ...(searched && { searched }) }
}

async function showEvent(call: Call): Promise<EventAnswer> {
  const { admin, feed } = call.outbox
  const { view } = call.desk
  const id = canonicalUuid(call.params['id'] ?? '')
  if (id === undefined)
    throw new ApiError('BAD_REQUEST', 'This is not the id of an event, which is a UUID.', { field: 'id' })
  const [event] = await admin
    .filter({ id })
    .include(...DETAIL)
    .limit(1)
    .all()
  if (event === undefined)
    throw new ApiError('NOT_FOUND', 'There is no event with this id (any more).', { field: 'id' })
  const [copies, sameKey, audit] = await Promise.all([
    copiesOf(call, event),
    sameKeyOf(call, event),
    admin.audit({ event: id, limit: AUDITED }),
  ])
  return {
    event: view.detail(event, await call.may('read-data'), sameKey?.head ?? null),
    attempts: event.attempts.map(({ at, worker, error }) => ({ at, worker, error })),
    copies,
    sameKey: sameKey && { previous: sameKey.previous, next: sameKey.next, waitingBehind: sameKey.waitingBehind },
    audit: audit.map((entry) => auditRow(call, entry)),
    at: feed.now().toISOString(),
  }
}

/** Rows of the same CloudEvent: by the index of (source, event id), and the row whose own id it is. */
async function copiesOf({ outbox, desk }: Call, event: OutboxEvent): Promise<readonly EventRow[]> {
  const { eventId, source, id } = event
  const own = canonicalUuid(eventId)
  const rest = outbox.admin.filter({ source, eventId }).limit(COPIES).all()
  const first = own === undefined || own === id ? [] : outbox.admin.filter({ id: own, source }).limit(1).all()
  const found = [...(await first), ...(await rest)]
  return found.filter((one) => one.id !== id).map((one) => desk.view.row(one))
}

/**
 * What is known of its key from the indexes of what is unsettled or failed. The rows beside it are the nearest of those; published
 * ones have no index by key.
 */
async function sameKeyOf({ outbox, desk }: Call, event: OutboxEvent) {
  const { partitionKey, publisherBackend, lane, seq } = event
  if (partitionKey === null || lane === null || seq === null) return null
  const open = outbox.admin.filter({ status: [...UNSETTLED, 'failed'], publisherBackend, lane, partitionKey })
  const [previous, next, behind, head] = await Promise.all([
    open
      .filter({ seq: { lt: seq } })
      .orderBy('-seq')
      .limit(1)
      .all(),
    open
      .filter({ seq: { gt: seq } })
      .orderBy('seq')
      .limit(1)
      .all(),
    open
      .filter({ seq: { gt: seq }, status: UNSETTLED })
      .only('id')
      .limit(COUNTED + 1)
      .all(),
    isBlocked(event) && event.status !== 'failed'
      ? open
          .filter({ seq: { lt: seq }, status: 'failed', availableAt: { isNull: false } })
          .orderBy('seq')
          .limit(1)
          .all()
      : [],
  ])
  const row = (one: OutboxEvent | undefined): EventRow | null => (one === undefined ? null : desk.view.row(one))
  return {
    previous: row(previous[0]),
    next: row(next[0]),
    waitingBehind: { count: Math.min(COUNTED, behind.length), more: behind.length > COUNTED },
    head: head[0]?.id ?? null,
  }
}

async function suggest(call: Call): Promise<readonly Suggestion[]> {
  const q = call.query['q'] ?? ''
  const at = call.query['at'] === undefined ? q.length : Number(call.query['at'])
  if (!Number.isSafeInteger(at)) throw new ApiError('BAD_REQUEST', 'at is not a whole number.', { field: 'at' })
  const { admin, feed } = call.outbox
  const needsTypes = /(?:^|\s)-?type:\S*$/i.test(q.slice(0, at))
  const [status, newest] = await Promise.all([
    feed.read(),
    needsTypes ? admin.filter().only('eventType').orderBy('-id').limit(200).all() : [],
  ])
  const types = [...new Set(newest.map(({ eventType }) => eventType))]
  return suggestFor(q, at, {
    backend: status.backends.map(({ backend }) => backend),
    type: [...types, ...stems(types)],
  })
}

/** `order.*` of `order.created`. */
function stems(types: readonly string[]): readonly string[] {
  return [...new Set(types.flatMap((type) => (type.includes('.') ? [`${type.slice(0, type.indexOf('.'))}.*`] : [])))]
}
