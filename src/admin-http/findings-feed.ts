import { waitFor } from '../foundation/waiting.ts'
import { ApiError } from './api-problem.ts'
import type { FindingsAnswer } from './api-types.ts'

/** For how long findings serve all, in milliseconds: a thorough look opens a connection, and asks each backend over the network. */
const FRESH = 60_000
/** The same for who asks to look again. */
const FRESH_AGAIN = 5_000
/** When a look that took too long is asked for again, in milliseconds. */
const RETRY = 2_000

/** The findings of one outbox by a thorough look, one at a time, however many need them. */
export class FindingsFeed {
  readonly #look: () => Promise<FindingsAnswer>
  readonly #timeout: number
  #running: Promise<FindingsAnswer> | undefined
  #last: { readonly answer: FindingsAnswer; readonly at: number } | undefined

  constructor(look: () => Promise<FindingsAnswer>, timeout: number) {
    this.#look = look
    this.#timeout = timeout
  }

  /**
   * At most a minute old, with `again` five seconds. Throws what the outbox throws, and `ApiError` `TIMEOUT`: the look goes on, and
   * its answer serves who asks next.
   */
  async read(again: boolean): Promise<FindingsAnswer> {
    const age = performance.now() - (this.#last?.at ?? Number.NEGATIVE_INFINITY)
    if (this.#last !== undefined && age < (again ? FRESH_AGAIN : FRESH)) return this.#last.answer
    this.#running ??= this.#start()
    const late = (): ApiError => new ApiError('TIMEOUT', 'The findings took too long.', { retryAfter: RETRY })
    return waitFor(this.#running, { timeout: this.#timeout }, late)
  }

  async #start(): Promise<FindingsAnswer> {
    try {
      const answer = await Promise.resolve().then(() => this.#look())
      this.#last = { answer, at: performance.now() }
      return answer
    } finally {
      this.#running = undefined
    }
  }
}
