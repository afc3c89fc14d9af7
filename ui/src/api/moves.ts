import { manyText, numberText } from '../words/number.ts'
import { post } from './ask.ts'
import type { ActionAnswer, ActionBody, ActionName, DryRunAnswer } from './types.ts'

/** What a move may say beside its target; `after` goes on where a search ended by its budget. */
type More = Partial<Pick<ActionBody, 'reason' | 'at' | 'after'>>

/** Which events: some, or all that match a filter. An empty filter is all of them, and is said so. */
export type Target = { readonly ids: readonly string[] } | { readonly q: string }

const bodyOf = (target: Target): Pick<ActionBody, 'ids' | 'q' | 'all'> =>
  'ids' in target ? { ids: target.ids } : target.q === '' ? { all: true } : { q: target.q }

/** Does it to as many as one call can do. */
export const move = (name: ActionName, target: Target, more: More = {}, signal?: AbortSignal): Promise<ActionAnswer> =>
  post(`actions/${name}`, { ...bodyOf(target), ...withReason(more) }, signal)

/** Counts, and changes nothing. */
export const dryRun = (name: ActionName, target: Target, at?: string, signal?: AbortSignal): Promise<DryRunAnswer> =>
  post(`actions/${name}`, { ...bodyOf(target), ...(at === undefined ? {} : { at }), dryRun: true }, signal)

const withReason = ({ reason, at, after }: More): Partial<ActionBody> => ({
  ...(reason === undefined || reason === '' ? {} : { reason }),
  ...(at === undefined ? {} : { at }),
  ...(after === undefined ? {} : { after }),
})

/** The verb of each move: as a button says it, and as its result is told. */
export const VERBS: Readonly<Record<ActionName, readonly [button: string, done: string]>> = {
  requeue: ['Requeue', 'requeued'],
  replay: ['Replay', 'sent again'],
  skip: ['Skip', 'skipped'],
  cancel: ['Cancel', 'cancelled'],
  reschedule: ['Reschedule', 'rescheduled'],
  delete: ['Delete', 'deleted'],
}

const WHY_NOT = {
  unchanged: 'left alone, for their status does not allow it',
  tooLate: 'published meanwhile',
  unknown: 'not known, for their worker did not answer',
  missing: 'gone',
} as const

/** `30 events requeued; 1 published meanwhile`. Pure. */
export function resultText(name: ActionName, { moved, results }: Pick<ActionAnswer, 'moved' | 'results'>): string {
  const others = Object.entries(WHY_NOT).flatMap(([outcome, why]) => {
    const count = results.filter((one) => one.outcome === outcome).length
    return count === 0 ? [] : [`${numberText(count)} ${why}`]
  })
  return [`${manyText(moved, 'event')} ${VERBS[name][1]}`, ...others].join('; ')
}
