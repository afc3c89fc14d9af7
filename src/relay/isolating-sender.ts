import { type Backend, notAttempted, notDelivered, type SendResult } from '../backend/backend.ts'
import { checkHealth } from '../backend/check-health.ts'
import { classifySendError, OutageError } from '../backend/send-error.ts'
import { type BoundedAnswer, boundedSend, type SendLimits } from './bounded-send.ts'
import type { HeldEvent } from './held-event.ts'
import { mayBegin } from './may-begin.ts'
import { sendContext } from './send-context.ts'
import { callBackend, type RelayHooks } from './send-hooks.ts'

type Results = readonly (SendResult | undefined)[]

/** Ids remembered of events whose send hung. */
const MOST_HUNG = 1_000
/** Destinations remembered. */
const MOST_VOICES = 1_000

export interface IsolatingSenderOptions extends SendLimits {
  /** The backend's name. */
  readonly name: string
  readonly backend: Backend
  readonly hooks?: RelayHooks | undefined
  /** Whether the rates let an event go once more just now. Default: there are none. */
  readonly spare?: (held: HeldEvent) => boolean
}

/** When a destination was last heard. */
interface Voice {
  /** Events that hung alone since it last gave an answer about anything. */
  readonly silent: Set<string>
  inFlight: number
  /** Monotonic time of the last answer. */
  answeredAt: number
}

/**
 * Sends a batch, and finds out whose fault it is when no answer comes: what ended without results is sent again, each
 * event alone, all at once. An event that hangs or throws alone is to blame; where all hang, the backend is.
 */
export class IsolatingSender {
  readonly #options: IsolatingSenderOptions
  /** By destination; undefined = the backend as a whole. */
  readonly #voices = new Map<string | undefined, Voice>()
  readonly #hung = new Set<string>()

  constructor(options: IsolatingSenderOptions) {
    this.#options = options
  }

  /** Whether a send of this event alone has hung. */
  hasHung(id: string): boolean {
    return this.#hung.has(id)
  }

  /** One result per event; undefined where the backend gave an answer that cannot be read. Never rejects. */
  async deliver(batch: readonly HeldEvent[], isHalted: () => boolean): Promise<Results> {
    const sentAt = performance.now()
    const answer = await this.#boundedSend(batch, isHalted)
    const results = resultsOf(answer, batch)
    if (batch.length > 1) return results.includes(undefined) ? this.#eachAlone(batch, results, isHalted) : results
    const [only] = batch
    if (answer.kind === 'hung' && results[0] === undefined && only)
      return [await this.#blame(only, answer.error, sentAt)]
    return answer.kind === 'threw' ? [notDelivered(answer.error)] : results
  }

  async #boundedSend(batch: readonly HeldEvent[], isHalted: () => boolean): Promise<BoundedAnswer> {
    const voice = this.#voiceOf(batch[0])
    voice.inFlight++
    const answer = await boundedSend(this.#options, batch, (signal) => send(this.#options, batch, signal, isHalted))
    voice.inFlight--
    const readable = answer.kind === 'results' || answer.kind === 'hung' ? answer.results : []
    const isAlive =
      answer.kind === 'threw' ? !isUncharged(answer.error) : readable.some((one) => one && !isNoAnswer(one))
    if (isAlive) {
      voice.answeredAt = performance.now()
      voice.silent.clear()
    }
    return answer
  }

  /** Those without a result, each in a send of its own; of a key one after the other. */
  async #eachAlone(batch: readonly HeldEvent[], known: Results, isHalted: () => boolean): Promise<Results> {
    const results = [...known]
    const hung: { readonly held: HeldEvent; readonly at: number; readonly error: unknown }[] = []
    let tried = 0
    const sendRun = async (run: readonly { readonly held: HeldEvent; readonly at: number }[]): Promise<void> => {
      let stopped = false
      for (const { held, at } of run) {
        if (known[at] === undefined) {
          if (stopped || isHalted()) results[at] = notAttempted
          else if (this.#options.spare?.(held) === false) results[at] = this.#later(held)
          else {
            tried++
            const answer = await this.#boundedSend([held], isHalted)
            results[at] = answer.kind === 'threw' ? notDelivered(answer.error) : resultsOf(answer, [held])[0]
            if (answer.kind === 'hung' && results[at] === undefined) hung.push({ held, at, error: answer.error })
          }
        }
        if (results[at]?.ok !== true) stopped = true
      }
    }
    const places = batch.map((held, at) => ({ held, at }))
    await Promise.all([...Map.groupBy(places, ({ held, at }) => held.key ?? at).values()].map(sendRun))

    const isSilent = hung.length === tried && known.every((result) => result === undefined || isNoAnswer(result))
    for (const { held } of isSilent ? hung : []) this.#voiceOf(held).silent.add(held.id)
    for (const { held, at, error } of hung) {
      if (!isSilent) results[at] = this.#charge(held, error)
      else results[at] = hung.length > 1 ? this.#silence() : await this.#blame(held, error, performance.now())
    }
    return results
  }

  /** A send of one event hung: is it the event, or the backend? */
  async #blame(held: HeldEvent, error: unknown, sentAt: number): Promise<SendResult> {
    const voice = this.#voiceOf(held)
    if (voice.answeredAt >= sentAt) return this.#charge(held, error)
    voice.silent.add(held.id)
    // Those in flight now may not be answered either.
    if (voice.inFlight > 0) return this.#silence()
    const { backend, timeout } = this.#options
    // The health of a backend says nothing of one place behind it.
    const health = held.destination === undefined ? await checkHealth(backend, timeout) : { healthy: true }
    if (!health.healthy) return notDelivered(new OutageError(`no answer, and ${health.detail ?? 'not healthy'}`))
    // Whatever the backend says of its health: two different events, and not a word on either.
    return voice.silent.size > 1 ? this.#silence() : this.#charge(held, error)
  }

  #voiceOf(held: HeldEvent | undefined): Voice {
    const known = this.#voices.get(held?.destination)
    if (known !== undefined) return known
    const voice = { silent: new Set<string>(), inFlight: 0, answeredAt: Number.NEGATIVE_INFINITY }
    this.#voices.set(held?.destination, voice)
    for (const [place, { inFlight }] of this.#voices) {
      if (this.#voices.size <= MOST_VOICES) break
      if (inFlight === 0) this.#voices.delete(place)
    }
    return voice
  }

  #silence(): SendResult {
    return notDelivered(new OutageError(`the backend answers nothing: each send hung for ${this.#options.timeout} ms`))
  }

  /** It goes alone the next time: what kept the others from ending may be this one. */
  #later(held: HeldEvent): SendResult {
    this.#remember(held)
    return notAttempted
  }

  #charge(held: HeldEvent, error: unknown): SendResult {
    this.#remember(held)
    return notDelivered(error)
  }

  #remember(held: HeldEvent): void {
    this.#hung.add(held.id)
    const [oldest] = this.#hung
    if (this.#hung.size > MOST_HUNG && oldest !== undefined) this.#hung.delete(oldest)
  }
}

/** a backend is foreign code: `send` may throw at once, or not be a function. */
async function send(
  options: IsolatingSenderOptions,
  batch: readonly HeldEvent[],
  signal: AbortSignal,
  isHalted: () => boolean,
): Promise<unknown> {
  const { backend, timeout } = options
  const events = batch.map((held) => held.event)
  return callBackend(options, events, signal, () =>
    backend.send(events, signal, sendContext(batch, mayBegin(backend, timeout, isHalted))),
  )
}

/** What is known after one send. What it threw is charged to no event yet, unless the backend is down. */
function resultsOf(answer: BoundedAnswer, batch: readonly HeldEvent[]): Results {
  if (answer.kind === 'interrupted') return batch.map(() => notAttempted)
  if (answer.kind !== 'threw') return answer.results
  const failed = isUncharged(answer.error) ? notDelivered(answer.error) : undefined
  return batch.map(() => failed)
}

function isUncharged(error: unknown): boolean {
  const { kind } = classifySendError(error)
  return kind === 'outage' || kind === 'not-attempted'
}

/** It says nothing of whether the backend lives. */
function isNoAnswer(result: SendResult): boolean {
  return !result.ok && isUncharged(result.error)
}
