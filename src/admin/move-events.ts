import { BroadcasterError } from '../errors.ts'
import { canonicalUuid } from '../event/uuid.ts'
import { showValue } from '../problem.ts'
import type { RecordFilter } from '../record/record-source.ts'
import type { Status } from '../record/status.ts'
import type { Condition } from '../store/admin-store.ts'
import { compileFilter } from './compile-filter.ts'
import type { EventQuery } from './event-query.ts'
import type { MoveResult } from './move-in-peace.ts'

/** Which events an operator means: an id, several, all that match a filter, or `{ all: true }`, every event there is. */
export type Target = string | readonly string[] | RecordFilter | { readonly all: true }

export interface MoveOptions {
  /** How many are changed in one transaction. Default: 500. */
  readonly batch?: number
  /**
   * Called after each batch with how many were changed so far, and with all that became of the events. When a later batch
   * rejects, such as for a database that went away, this is what was done: keep it.
   */
  readonly onProgress?: (moved: number, soFar: MoveResult) => void
  /**
   * How long each batch waits for workers that have its events in hand, in milliseconds. Default 11,000: a lease of
   * 10 s, and a second.
   */
  readonly patience?: number
  /** Ends the work, and the wait for workers, after the statement under way; resolves with what was done until then. */
  readonly signal?: AbortSignal
}

/**
 * Applies `apply` to the events that a target means, batch by batch. With a filter only events in one of `statuses`
 * are looked at; a filter without any condition is refused, since it means everything. Returns what `apply` returned,
 * of all batches.
 */
export async function moveEvents(
  query: EventQuery,
  target: Target,
  statuses: readonly Status[] | undefined,
  apply: (ids: readonly string[]) => Promise<MoveResult>,
  options: MoveOptions = {},
): Promise<MoveResult> {
  const { batch = 500, onProgress, signal } = options
  if (!Number.isInteger(batch) || batch < 1) {
    throw new BroadcasterError('INVALID_OPTION', `batch is ${showValue(batch)}; give a whole number, 1 or more`, {
      field: 'batch',
      value: batch,
    })
  }
  const all: { readonly [List in keyof MoveResult]: string[] } = { moved: [], tooLate: [], unknown: [] }
  for await (const ids of batches(query, target, statuses, batch)) {
    if (signal?.aborted) break
    const { moved, tooLate, unknown } = await apply(ids)
    all.moved.push(...moved)
    all.tooLate.push(...tooLate)
    all.unknown.push(...unknown)
    onProgress?.(all.moved.length, all)
  }
  return all
}

async function* batches(
  query: EventQuery,
  target: Target,
  statuses: readonly Status[] | undefined,
  batch: number,
): AsyncGenerator<readonly string[]> {
  if (typeof target === 'string' || isList(target)) {
    const ids = (typeof target === 'string' ? [target] : target).map(readId)
    for (let start = 0; start < ids.length; start += batch) yield ids.slice(start, start + batch)
    return
  }
  const matching = query.where(conditionsOf(target)).only('id')
  const wanted = statuses ? matching.filter({ status: statuses }) : matching
  let ids: string[] = []
  for await (const event of wanted.iterate({ batch })) {
    ids.push(event.id)
    if (ids.length < batch) continue
    yield ids
    ids = []
  }
  if (ids.length > 0) yield ids
}

/** Throws `INVALID_OPTION` for a filter without a condition: nobody means every event without saying so. */
function conditionsOf(target: Exclude<Target, string | readonly string[]>): readonly Condition[] {
  if (isAll(target)) return []
  const conditions = compileFilter(target)
  if (conditions.length > 0) return conditions
  throw new BroadcasterError(
    'INVALID_OPTION',
    'the filter has no condition and so means every event; say which you mean, or { all: true }',
    { field: 'filter', value: target },
  )
}

function isAll(target: object): target is { readonly all: true } {
  return (
    typeof target === 'object' &&
    target !== null &&
    Object.keys(target).length === 1 &&
    'all' in target &&
    target.all === true
  )
}

function isList(target: Target): target is readonly string[] {
  return Array.isArray(target)
}

function readId(id: string): string {
  const canonical = typeof id === 'string' ? canonicalUuid(id) : undefined
  if (canonical !== undefined) return canonical
  throw new BroadcasterError('INVALID_OPTION', `the id ${showValue(id)} is not a UUID; give ids of outbox events`, {
    field: 'id',
    value: id,
  })
}
