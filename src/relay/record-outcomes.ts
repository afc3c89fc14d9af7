import { BroadcasterError } from '../errors.ts'
import type { Outcome, SettleReport } from '../store/relay-store.ts'
import { plainerForms } from './plain-outcome.ts'

/** Whether a group of outcomes was recorded, by the ids of their events. */
export interface Recording {
  /** Not ours to record. */
  readonly lost: Set<string>
  /** The store refuses these, alone and in any form. Unless it `took` another, it may be the store that is to blame. */
  readonly refused: Set<string>
  /** To be tried again: the store is down or busy, or the row is locked. */
  readonly waiting: Set<string>
  /** Of those that wait the ones whose row is locked. */
  readonly locked: Set<string>
  /** Lanes of outcomes under a fence that may be written late: it is not known how their statement ended. */
  readonly doubtful: Set<number>
  /** The store took something. */
  readonly took: boolean
}

type Answer = 'taken' | 'refused' | 'busy' | 'trouble'
type Settle = (outcomes: readonly Outcome[]) => Promise<SettleReport>

/**
 * Records a group. Where the store refuses it for what is in it, it is halved until the outcome that cannot be written is
 * alone, and that one is tried in plainer forms: no other waits for it. What was delivered goes first, since an event that
 * was sent and is not recorded is sent again.
 *
 * A store that takes nothing at all, however small, is in trouble, and no outcome is to blame: the halving stops after a
 * few steps.
 */
export async function recordOutcomes(
  settle: Settle,
  outcomes: readonly Outcome[],
  onError: (error: unknown) => void,
): Promise<Recording> {
  const recording = {
    lost: new Set<string>(),
    refused: new Set<string>(),
    waiting: new Set<string>(),
    locked: new Set<string>(),
    doubtful: new Set<number>(),
    took: false,
  }
  /** Refusals one may meet on the way to a single outcome in its plainest form, if all that it meets is refused. */
  let patience = 2 * Math.ceil(Math.log2(outcomes.length + 1)) + 8
  const waitFor = (some: readonly Outcome[]): void => {
    for (const { id } of some) recording.waiting.add(id)
  }
  const waitForLock = (id: string): void => {
    recording.waiting.add(id)
    recording.locked.add(id)
  }

  const attempt = async (some: readonly Outcome[]): Promise<Answer> => {
    if (!recording.took && patience <= 0) return 'trouble'
    try {
      const { lost, busy } = await settle(some)
      for (const id of lost) recording.lost.add(id)
      for (const id of busy) waitForLock(id)
      recording.took = true
      return 'taken'
    } catch (error) {
      onError(error)
      patience--
      const answer = answerOf(error)
      // `published` is true whenever it is written.
      if (answer === 'trouble') for (const one of some) if (one.kind !== 'published') recording.doubtful.add(one.lane)
      return answer
    }
  }

  const record = async (some: readonly Outcome[]): Promise<void> => {
    const answer = await attempt(some)
    if (answer === 'taken') return
    if (answer === 'trouble') return waitFor(some)
    const [only, ...more] = some
    if (only !== undefined && more.length === 0) return answer === 'busy' ? waitForLock(only.id) : recordAlone(only)
    for (const part of partsOf(some)) await record(part)
  }

  const recordAlone = async (outcome: Outcome): Promise<void> => {
    for (const plainer of plainerForms(outcome)) {
      const answer = await attempt([plainer])
      if (answer === 'taken') return
      if (answer !== 'refused') return waitFor([outcome])
    }
    recording.refused.add(outcome.id)
  }

  await record(outcomes)
  return recording
}

/** `busy`: one row of the group may be locked by somebody. */
function answerOf(error: unknown): Answer {
  if (!(error instanceof BroadcasterError) || !error.retryable) return 'refused'
  return error.code === 'STORE_BUSY' ? 'busy' : 'trouble'
}

/** What was delivered, and the rest; halves of a group that is all of one kind. */
function partsOf(outcomes: readonly Outcome[]): readonly (readonly Outcome[])[] {
  const delivered = outcomes.filter(({ kind }) => kind === 'published')
  const others = outcomes.filter(({ kind }) => kind !== 'published')
  if (delivered.length > 0 && others.length > 0) return [delivered, others]
  const middle = Math.ceil(outcomes.length / 2)
  return [outcomes.slice(0, middle), outcomes.slice(middle)]
}
