import { type SearchPage, type SearchResult, searchEvents } from '../admin/event-search.ts'
import { type EventFilter, readFilter } from '../admin/filter-language/read-filter.ts'
import { ApiError } from './api-problem.ts'
import type { Searched } from './api-types.ts'
import type { Call } from './call.ts'

/** The filter that a call means. Throws `ApiError`: `INVALID_FILTER` with the place of the mistake, `FORBIDDEN`. */
export async function filterOf(call: Call, q: string): Promise<EventFilter> {
  const { view, filters } = call.desk
  const read = readFilter(filters.read(q), { now: call.outbox.feed.now(), keyOf: view.keyOf, hashOf: view.hashOf })
  if ('message' in read) {
    const { at, end, message } = read
    throw new ApiError('INVALID_FILTER', message, { field: 'q', at, end })
  }
  if (read.needsData && !(await call.may('read-data'))) {
    throw new ApiError('FORBIDDEN', 'You may not see data, so you may not search it.', { field: 'q' })
  }
  return read
}

/** Looks for events within the budget of the settings; what a filter compares is what may be seen. */
export function search(
  { desk, outbox }: Call,
  filter: EventFilter,
  page: Pick<SearchPage, 'after' | 'oldest' | 'limit' | 'columns' | 'idsOnly'>,
): Promise<SearchResult> {
  const { searchRows: rows, searchTime: time } = desk.settings
  return searchEvents(outbox.admin.filter(), filter, { ...page, rows, time, shownData: desk.view.dataText })
}

/** A place in a list, as a client holds it. */
interface Place {
  readonly id: string
  /** Towards the start of the list. */
  readonly back: boolean
}

/** An opaque text for a place in a list of this kind. */
export function cursorOf({ desk, outbox }: Call, kind: string, place: Place): string {
  return desk.signer.sign(`cursor ${kind} ${outbox.name}`, [place.id, place.back])
}

/** The place of a cursor; undefined without one. Throws `ApiError` `INVALID_CURSOR`. */
export function placeOf({ desk, outbox, query }: Call, kind: string): Place | undefined {
  return readCursor({ desk, outbox }, kind, query['after'])
}

/** The same for a cursor elsewhere. */
export function readCursor(
  { desk, outbox }: Pick<Call, 'desk' | 'outbox'>,
  kind: string,
  after: unknown,
): Place | undefined {
  if (after === undefined) return undefined
  const read = typeof after !== 'string' ? undefined : desk.signer.read(`cursor ${kind} ${outbox.name}`, after)
  const [id, back] = Array.isArray(read) ? (read as readonly unknown[]) : []
  if (typeof id === 'string') return { id, back: back === true }
  throw new ApiError('INVALID_CURSOR', 'after is not a cursor of this list; begin without it.', { field: 'after' })
}

/** How far was looked, for people. `all`: rows there are, about. */
export function searchedOf(
  call: Call,
  kind: string,
  looked: SearchResult['looked'],
  all: number,
): Searched | undefined {
  if (looked === null) return undefined
  const { rows, last, until } = looked
  const goOn = last === null ? null : cursorOf(call, kind, { id: last, back: false })
  return { rows, ofAbout: Math.max(rows, all), goOn, until: until?.toISOString() ?? null }
}

/** A whole number of the query. Throws `ApiError` `BAD_REQUEST`. */
export function wholeNumber({ query }: Call, name: string, fallback: number, most: number): number {
  const text = query[name]
  if (text === undefined) return fallback
  const value = Number(text)
  if (/^\d{1,9}$/.test(text) && value >= 1 && value <= most) return value
  throw new ApiError('BAD_REQUEST', `${name} is not a whole number from 1 to ${most}.`, { field: name })
}
