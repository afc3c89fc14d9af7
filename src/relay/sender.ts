import { notAttempted, notDelivered, type SendResult } from '../backend/backend.ts'
import { BroadcasterError } from '../errors.ts'
import { settles, waitFor } from '../foundation/waiting.ts'
import type { RelayStore } from '../store/relay-store.ts'
import { takeAloneTurn } from './alone-turn.ts'
import { boundedSend } from './bounded-send.ts'
import type { Conclusion } from './conclusion.ts'
import type { HeldEvent } from './held-event.ts'
import { IsolatingSender, type IsolatingSenderOptions } from './isolating-sender.ts'
import { mayBegin } from './may-begin.ts'
import { type FailurePolicy, judge } from './outcomes.ts'
import { readResult } from './read-results.ts'
import { countAttempt } from './retry.ts'
import { callBackend } from './send-hooks.ts'
import type { SendTurns } from './send-turns.ts'

export interface SenderOptions extends IsolatingSenderOptions {
  readonly store: RelayStore
  readonly conclusion: Pick<Conclusion, 'mark'>
  readonly turns: SendTurns
  readonly policy: FailurePolicy
  readonly onError: (error: unknown) => void
}

/** What came of a send: a result per event, undefined where the backend gave none. `settled`: ids already recorded. */
interface Sent {
  readonly results: readonly (SendResult | undefined)[]
  readonly settled: ReadonlySet<string>
}

/** How long a suspect that goes alone keeps others waiting while its attempt is recorded, in ms. */
const MARK_WAIT = 1_000

/** Hands a batch to the backend within its timeout and the lease. */
export class Sender {
  readonly #options: SenderOptions
  readonly #delivery: IsolatingSender

  constructor(options: SenderOptions) {
    this.#options = options
    this.#delivery = new IsolatingSender(options)
  }

  /** Whether a send of this event alone has hung: it is not to keep others waiting. */
  hasHung(id: string): boolean {
    return this.#delivery.hasHung(id)
  }

  /**
   * One result per event. `settled` names those whose settle was committed together with the handler's writes. Once `isHalted`,
   * no further event is begun.
   */
  async send(batch: readonly HeldEvent[], isHalted: () => boolean): Promise<Sent> {
    const first = batch[0]
    if (first?.alone) return this.#alone(batch, countAttempt(first.retryCount), isHalted)
    if (!batch.some((held) => held.marked)) return this.#boundedSend(batch, isHalted)
    return this.#handOverMarked(batch, await this.#mark(batch, undefined), isHalted)
  }

  /** Sent while no other suspect of this process is: an event that kills the process must not have company. */
  async #alone(batch: readonly HeldEvent[], retryCount: number, isHalted: () => boolean): Promise<Sent> {
    const { turns } = this.#options
    let end = await turns.aside(takeAloneTurn)
    try {
      const marking = this.#mark(batch, retryCount)
      if (!(await settles(marking, { timeout: MARK_WAIT }))) {
        // Our store does not answer: that must not keep the suspects of other stores waiting.
        end()
        await marking
        end = await turns.aside(takeAloneTurn)
      }
      return await this.#handOverMarked(batch, await marking, isHalted)
    } finally {
      end()
    }
  }

  /** Resolves with the ids of those that the store has marked. */
  #mark(batch: readonly HeldEvent[], retryCount: number | undefined): Promise<ReadonlySet<string>> {
    const { turns, conclusion } = this.#options
    const marked = batch.filter((held) => held.marked)
    return turns.aside(() => conclusion.mark(marked, retryCount))
  }

  async #handOverMarked(
    batch: readonly HeldEvent[],
    recorded: ReadonlySet<string>,
    isHalted: () => boolean,
  ): Promise<Sent> {
    const go = batch.filter((held) => !held.marked || recorded.has(held.id))
    const { results, settled } = await this.#boundedSend(go, isHalted)
    const byId = new Map(go.map((held, n) => [held.id, results[n]]))
    return { results: batch.map((held) => byId.get(held.id) ?? notAttempted), settled }
  }

  async #boundedSend(batch: readonly HeldEvent[], isHalted: () => boolean): Promise<Sent> {
    const { backend, timeout } = this.#options
    const settled = new Set<string>()
    if (!backend.sendInTransaction) return { results: await this.#delivery.deliver(batch, isHalted), settled }
    const handled: SendResult[] = []
    const begin = mayBegin(backend, timeout, isHalted)
    const answer = await boundedSend(this.#options, batch, (signal) =>
      this.#inTransactions(batch, signal, { settled, results: handled, begin }),
    )
    if (answer.kind === 'results') return { results: answer.results, settled }
    // The handler that hung is to blame, not the events that it kept waiting.
    const failed = answer.kind === 'interrupted' ? notAttempted : notDelivered(answer.error)
    const hung = handled.length
    return { results: batch.map((_, n) => handled[n] ?? (n === hung ? failed : notAttempted)), settled }
  }

  /** Each event in a store transaction of its own that settles it too; one after the other, so that keys keep order. */
  async #inTransactions(
    batch: readonly HeldEvent[],
    signal: AbortSignal,
    { settled, results, begin }: { settled: Set<string>; results: SendResult[]; begin: () => boolean },
  ): Promise<readonly SendResult[]> {
    const stopped = new Set<string>()
    for (const held of batch) {
      if (signal.aborted || (held.key !== null && stopped.has(held.key)) || !begin()) {
        results.push(notAttempted)
        if (held.key !== null) stopped.add(held.key)
        continue
      }
      results.push(await this.#inTransaction(held, signal, settled))
      if (held.key !== null && results.at(-1)?.ok !== true) stopped.add(held.key)
    }
    return results
  }

  async #inTransaction(held: HeldEvent, signal: AbortSignal, settled: Set<string>): Promise<SendResult> {
    const { store, policy, onError } = this.#options
    let result = notAttempted
    try {
      const { recorded } = await store.settleInTransaction(held.lane.ownership, async (tx) => {
        result = await handle(this.#options, held, tx, signal)
        const verdict = judge(held, result, policy)
        return verdict.kind === 'settle' ? verdict.outcome : undefined
      })
      if (recorded) settled.add(held.id)
      // Not recorded although the handler was content: the lane was lost, and its writes are rolled back.
      return result.ok && !recorded ? notAttempted : result
    } catch (error) {
      onError(error)
      // What the handler wrote cannot be committed, now or later: that is its failure.
      if (result.ok && !(error instanceof BroadcasterError && error.retryable)) return notDelivered(error)
      // The store failed, not the handler: its writes are rolled back, and the event is tried again at no cost.
      return result.ok ? notAttempted : result
    }
  }
}

async function handle(
  options: IsolatingSenderOptions,
  { event }: HeldEvent,
  tx: unknown,
  signal: AbortSignal,
): Promise<SendResult> {
  try {
    const call = async (): Promise<unknown> => options.backend.sendInTransaction?.(event, tx, signal)
    const sending = callBackend(options, [event], signal, call)
    // One that ignores its signal must not keep the transaction open: its result is no longer awaited.
    const given: unknown = await waitFor(sending, { signal, grace: TRANSACTION_GRACE }, () => signal.reason)
    return (
      readResult(given) ??
      notDelivered(new BroadcasterError('SEND_FAILED', 'the backend gave no result for this event'))
    )
  } catch (error) {
    return notDelivered(error)
  }
}

/** How long a handler that ignores its signal may keep its transaction, in ms. */
const TRANSACTION_GRACE = 1_000
