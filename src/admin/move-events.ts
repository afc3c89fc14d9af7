import { BroadcasterError } from '../errors.ts'
import { canonicalUuid } from '../event/uuid.ts'
import { showValue } from '../foundation/problem.ts'
import type { RecordFilter } from '../record/record-source.ts'
import type { Status } from '../record/status.ts'
import type { Condition } from '../store/admin-store.ts'
import { compileFilter } from './compile-filter.ts'
import type { EventQuery } from './event-query.ts'
import { MoveInterruptedError, type MoveResult } from './move-in-peace.ts'

/** Which events an operator means: an id, several, all that match a filter, or `{ all: true }`, every event there is. */
export type MoveTarget = string | readonly string[] | RecordFilter | { readonly all: true }

/** How events are moved. */
export interface MoveOptions {
  /** How many are changed in one transaction. Default: 500. */
  readonly batch?: number | undefined
  /**
   * Called after each batch with how many were changed so far, and with all outcomes of the events. When a later batch rejects,
   * such as for a database that went away, this is what was done: keep it. The error names only the counts. Default: none.
   */
  readonly onProgress?: ((moved: number, soFar: MoveResult) => void) | undefined
  /**
   * How long each batch waits for workers that have its events in hand, in milliseconds. Default 11,000: a lease of
   * 10 s, and a second.
   */
  readonly patience?: number | undefined
  /**
   * Ends the work, and the wait for workers, after the statement that is running; resolves with what was done until then.
   * Default: none.
   */
  readonly signal?: AbortSignal | undefined
}

/**
 * Applies `apply` to the events that a target means, batch by batch. With a filter only events in one of `statuses`
 * are looked at; a filter without any condition is refused, since it means everything. `where`: what was looked for, which each must
 * meet still when it is moved; another may have moved it meanwhile. Returns what `apply` returned, of all batches.
 */
export async function moveEvents(
  query: EventQuery,
  target: MoveTarget,
  statuses: readonly Status[] | undefined,
  apply: (ids: readonly string[], where: readonly Condition[]) => Promise<MoveResult>,
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
  try {
    const where = isNamed(target) ? [] : [...conditionsOfFilter(target), ...statusIn(statuses)]
    for await (const ids of batches(query, target, where, batch)) {
      if (signal?.aborted) break
      const { moved, tooLate, unknown } = await apply(ids, where)
      all.moved.push(...moved)
      all.tooLate.push(...tooLate)
      all.unknown.push(...unknown)
      onProgress?.(all.moved.length, all)
    }
  } catch (error) {
    if (!(error instanceof MoveInterruptedError)) throw withCounts(error, all)
    all.moved.push(...error.moved)
    onProgress?.(all.moved.length, all)
    throw withCounts(error.cause, all)
  }
  return all
}

/** The error with what was done before it; as it is when that was nothing, or when it is not ours. */
function withCounts(error: unknown, { moved, tooLate, unknown }: MoveResult): unknown {
  if (!(error instanceof BroadcasterError) || moved.length + tooLate.length + unknown.length === 0) return error
  const counts = `${moved.length} moved, ${tooLate.length} too late, ${unknown.length} unknown`
  const cure = 'what was moved stays moved, and the last batch may be moved in part: ask again for the rest'
  const { code, message, field, value } = error
  return new BroadcasterError(code, `${message}; until then ${counts} (${cure})`, {
    cause: error,
    ...(field === undefined ? {} : { field, value }),
  })
}

/** The events that a target means, whatever their status; `ids`: how many were named by their ids. */
export function matchingEvents(
  query: EventQuery,
  target: MoveTarget,
): { readonly matching: EventQuery; readonly ids: number } {
  if (!isNamed(target)) return { matching: query.where(conditionsOfFilter(target)), ids: 0 }
  const ids = idsOf(target)
  return { matching: query.where([{ column: 'id', op: 'in', values: ids }]), ids: new Set(ids).size }
}

/** Throws `INVALID_OPTION` for a target that means nothing, or everything without saying so. */
export function checkTarget(target: MoveTarget): void {
  if (isNamed(target)) idsOf(target)
  else conditionsOfFilter(target)
}

async function* batches(
  query: EventQuery,
  target: MoveTarget,
  where: readonly Condition[],
  batch: number,
): AsyncGenerator<readonly string[]> {
  if (isNamed(target)) {
    const ids = idsOf(target)
    for (let start = 0; start < ids.length; start += batch) yield ids.slice(start, start + batch)
    return
  }
  let ids: string[] = []
  for await (const event of query.where(where).only('id').iterate({ batch })) {
    ids.push(event.id)
    if (ids.length < batch) continue
    yield ids
    ids = []
  }
  if (ids.length > 0) yield ids
}

function statusIn(statuses: readonly Status[] | undefined): readonly Condition[] {
  return statuses === undefined ? [] : [{ column: 'status', op: 'in', values: statuses }]
}

type Named = string | readonly string[]

function isNamed(target: MoveTarget): target is Named {
  return typeof target === 'string' || Array.isArray(target)
}

/** Throws `INVALID_OPTION` for an id that is not a UUID. */
function idsOf(target: Named): readonly string[] {
  return (typeof target === 'string' ? [target] : target).map(readId)
}

/** Throws `INVALID_OPTION` for a filter without a condition: no one means every event without saying so. */
export function conditionsOfFilter(target: Exclude<MoveTarget, Named>): readonly Condition[] {
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

function readId(id: string): string {
  const canonical = typeof id === 'string' ? canonicalUuid(id) : undefined
  if (canonical !== undefined) return canonical
  throw new BroadcasterError('INVALID_OPTION', `the id ${showValue(id)} is not a UUID; give ids of outbox events`, {
    field: 'id',
    value: id,
  })
}
