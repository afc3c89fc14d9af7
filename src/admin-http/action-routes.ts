import { MOVABLE } from '../admin/movable.ts'
import type { MoveResult } from '../admin/move-in-peace.ts'
import { isStorableDate } from '../admin/storable-date.ts'
import { canonicalUuid } from '../event/uuid.ts'
import type { OutboxEvent } from '../record/outbox-event.ts'
import { type Status, UNSETTLED } from '../record/status.ts'
import type { ActionAnswer, ActionName, ActionOutcome, DryRunAnswer } from './api-operations.ts'
import { ApiError } from './api-problem.ts'
import { reasonOf } from './backend-routes.ts'
import type { ApiRoute, Call } from './call.ts'
import { cursorOf, filterOf, readCursor, search } from './filter-of-call.ts'

/** Events that one call moves at most: more is for an operation. */
const MOST = 1_000
/** A dry run counts up to here. */
const COUNTED = 10_000
const SAMPLES = 5
/** How long a move waits for workers that have its events in hand, in milliseconds; a call must not take longer. */
const PATIENCE = 3_000
const MEMBERS = ['ids', 'q', 'all', 'after', 'reason', 'dryRun']

/** What else an action takes. */
const MORE: Readonly<Partial<Record<ActionName, readonly string[]>>> = { reschedule: ['at'], replay: ['to'] }

/** In which statuses an action finds something to do. Undefined: in all. */
const STATUSES: Readonly<Record<ActionName, readonly Status[] | undefined>> = {
  ...MOVABLE,
  reschedule: UNSETTLED,
  delete: undefined,
}

const SUMMARIES: Readonly<Record<ActionName, string>> = {
  requeue: 'Makes failed, cancelled and retrying events pending again; releases their keys.',
  replay: 'Sends published events again.',
  skip: 'Lets the keys of failed events go on without them.',
  cancel: 'Gives up on events that are not published.',
  reschedule: 'Moves the due time of events that are still to be delivered.',
  delete: 'Deletes events, whatever their status.',
}

/** One route for each action: `ids`, `q` or `all` say which events. */
export const ACTION_ROUTES: readonly ApiRoute[] = (Object.keys(SUMMARIES) as readonly ActionName[]).map((name) => ({
  method: 'POST',
  path: `actions/${name}`,
  action: name,
  summary: `${SUMMARIES[name]} At most ${MOST.toLocaleString('en')} in one call.`,
  body: { type: 'ActionBody', members: [...MEMBERS, ...(MORE[name] ?? [])] },
  answer: 'ActionAnswer | DryRunAnswer',
  run: (call) => act(call, name),
}))

async function act(call: Call, name: ActionName): Promise<ActionAnswer | DryRunAnswer> {
  const { ids, q, all, dryRun, reason, at } = call.body
  const to = readTo(name, call.body['to'])
  const wrong = (field: string, message: string): ApiError => new ApiError('BAD_REQUEST', message, { field })
  if ([ids, q, all].filter((one) => one !== undefined).length !== 1) {
    throw wrong('ids', 'Give one of ids, q and all, to say which events you mean.')
  }
  if (all !== undefined && all !== true) throw wrong('all', 'all is not true; leave it out, or give true.')
  if (q !== undefined && typeof q !== 'string') throw wrong('q', 'q is not a string; give a filter.')
  if (typeof q === 'string' && call.desk.filters.read(q).trim() === '') {
    throw wrong('q', 'The filter is empty and so means every event; say which, or give all: true.')
  }
  if (dryRun !== undefined && dryRun !== true) throw wrong('dryRun', 'dryRun is not true; leave it out, or give true.')
  const why = reasonOf(reason)
  const when = name === 'reschedule' ? new Date(typeof at === 'string' ? at : Number.NaN) : undefined
  if (when !== undefined && !isStorableDate(when))
    throw wrong('at', 'at is not a time; give one such as 2026-01-31T12:00:00Z.')
  const chosen = ids === undefined ? await matching(call, name, q ?? '') : named(ids)
  if (dryRun) return 'events' in chosen ? dryRunOf(call, chosen) : dryRunOfIds(call, name, chosen.ids)
  const meant = 'events' in chosen ? chosen.events.slice(0, MOST).map(({ id }) => id) : chosen.ids
  const { moved, tooLate, unknown } = await move(call, name, meant, { at: when, to, reason: why })
  const outcomes = new Map<string, ActionOutcome>([
    ...moved.map((id) => [id, 'moved'] as const),
    ...tooLate.map((id) => [id, 'tooLate'] as const),
    ...unknown.map((id) => [id, 'unknown'] as const),
  ])
  const rest = meant.filter((id) => !outcomes.has(id))
  const there = new Set((await eventsOf(call, rest)).map(({ id }) => id))
  const results = meant.map(
    (id) => ({ id, outcome: outcomes.get(id) ?? (there.has(id) ? 'unchanged' : 'missing') }) as const,
  )
  return {
    results: 'events' in chosen ? results.filter(({ outcome }) => outcome !== 'moved') : results,
    moved: moved.length,
    left: 'events' in chosen ? Math.max(chosen.events.length - meant.length, chosen.more ? 1 : 0) : 0,
    goOn: 'events' in chosen && chosen.events.length <= MOST ? chosen.goOn : null,
    audit: null,
  }
}

/** The backend of a replay. Throws `ApiError`. */
export function readTo(name: ActionName, to: unknown): string | undefined {
  if (to === undefined || (typeof to === 'string' && name === 'replay')) return to
  const message = name === 'replay' ? 'to is no text; give the name of a backend.' : 'to is for replay only.'
  throw new ApiError('BAD_REQUEST', message, { field: 'to' })
}

function named(ids: unknown): { readonly ids: readonly string[] } {
  const list: readonly unknown[] = Array.isArray(ids) ? ids : []
  const read = list.map((id) => (typeof id === 'string' ? canonicalUuid(id) : undefined))
  if (list.length === 0 || list.length > MOST || read.includes(undefined)) {
    throw new ApiError('BAD_REQUEST', `ids is not a list of 1 to ${MOST} ids of events, which are UUIDs.`, {
      field: 'ids',
    })
  }
  return { ids: [...new Set(read.flatMap((id) => id ?? []))] }
}

interface Match {
  readonly events: readonly OutboxEvent[]
  readonly more: boolean
  /** Where to go on, when the search ended by its budget. */
  readonly goOn: string | null
}

/** These have an index of their own in each store. */
const INDEXED: readonly Status[] = [...UNSETTLED, 'failed']
const KIND = 'actions'

/** Those that match and whose status allows it, as far as they are counted; the oldest first. */
async function matching(call: Call, name: ActionName, q: string): Promise<Match> {
  const filter = await filterOf(call, q)
  const after = readCursor(call, KIND, call.body['after'])?.id
  const wanted = STATUSES[name]
  const look = async (statuses: readonly Status[] | undefined, limit: number): Promise<Match> => {
    const where = statuses === undefined ? [] : [{ column: 'status', op: 'in', values: statuses } as const]
    const isIndexed = statuses === undefined ? filter.isIndexed : INDEXED.includes(statuses[0] ?? 'published')
    const narrowed = {
      ...filter,
      where: [...filter.where, ...where],
      isIndexed: isIndexed && filter.tests.length === 0,
    }
    const { events, more, looked } = await search(call, narrowed, { limit, after, oldest: true })
    const goOn = looked?.last ? cursorOf(call, KIND, { id: looked.last, back: false }) : null
    return { events, more: more || looked !== null, goOn }
  }
  if (wanted === undefined) return look(undefined, COUNTED)
  // What an index finds comes first, or a search from the oldest on would find none of it for long.
  let found: Match = { events: [], more: false, goOn: null }
  for (const statuses of [
    wanted.filter((one) => INDEXED.includes(one)),
    wanted.filter((one) => !INDEXED.includes(one)),
  ]) {
    if (statuses.length === 0 || found.more) continue
    const { events, more, goOn } = await look(statuses, COUNTED - found.events.length)
    found = { events: [...found.events, ...events], more, goOn }
  }
  return found
}

async function move(
  { outbox, visitor }: Call,
  name: ActionName,
  ids: readonly string[],
  {
    at,
    to,
    reason,
  }: { readonly at: Date | undefined; readonly to: string | undefined; readonly reason: string | undefined },
): Promise<MoveResult> {
  if (ids.length === 0) return { moved: [], tooLate: [], unknown: [] }
  const { admin } = outbox
  const options = { patience: PATIENCE, by: visitor?.user, reason }
  if (name === 'replay') return admin.replay(ids, { ...options, to })
  return name === 'reschedule' ? admin.reschedule(ids, at ?? new Date(), options) : admin[name](ids, options)
}

async function eventsOf({ outbox }: Call, ids: readonly string[]): Promise<readonly OutboxEvent[]> {
  return ids.length === 0
    ? []
    : outbox.admin
        .filter({ id: { in: ids } })
        .limit(ids.length)
        .all()
}

function dryRunOf(call: Call, { events, more }: Match): DryRunAnswer {
  const keys = new Set(events.flatMap(({ partitionKey }) => partitionKey ?? []))
  const apart = Math.max(1, Math.floor(events.length / SAMPLES))
  const sample = events.filter((_, n) => n % apart === 0).slice(0, SAMPLES)
  return {
    count: events.length,
    more,
    unchanged: null,
    sample: sample.map((event) => call.desk.view.row(event)),
    keys: { count: keys.size, more },
  }
}

async function dryRunOfIds(call: Call, name: ActionName, ids: readonly string[]): Promise<DryRunAnswer> {
  const events = await eventsOf(call, ids)
  const statuses = STATUSES[name]
  const movable = events.filter(({ status }) => statuses?.includes(status) ?? true)
  return { ...dryRunOf(call, { events: movable, more: false, goOn: null }), unchanged: events.length - movable.length }
}
