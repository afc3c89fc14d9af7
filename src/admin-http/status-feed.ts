import { describeError } from '../foundation/describe-error.ts'
import { waitFor } from '../foundation/waiting.ts'
import type { LiveTrouble, StatusAnswer } from './api-operations.ts'
import { ApiError, problemAnswer, problemOf } from './api-problem.ts'

/** What a listener gets. */
export type FeedMessage =
  | { readonly event: 'status'; readonly data: StatusAnswer }
  | { readonly event: 'trouble'; readonly data: LiveTrouble }

/** For how long a status serves all, in milliseconds. */
const FRESH = 1_000
/** A status goes out at least so often while somebody listens, in milliseconds: ages and leases change by themselves. */
const AT_LEAST = 10_000

/**
 * The status of one outbox, read at most once a second however many need it: for calls and for listeners. Without a
 * listener nothing is read.
 */
export class StatusFeed {
  readonly #look: () => Promise<StatusAnswer>
  readonly #timeout: number
  readonly #listeners = new Set<(message: FeedMessage) => void>()
  #asked: { readonly answer: Promise<StatusAnswer>; readonly at: number } | undefined
  #timer: NodeJS.Timeout | undefined
  #last: { readonly text: string; readonly at: number; readonly message: FeedMessage } | undefined
  /** How far the database's clock is ahead of ours, in milliseconds. */
  #ahead = 0

  constructor(look: () => Promise<StatusAnswer>, timeout: number) {
    this.#look = look
    this.#timeout = timeout
  }

  /** The status, at most a second old. Throws what the outbox throws, and `ApiError` `TIMEOUT`. */
  read(): Promise<StatusAnswer> {
    const now = performance.now()
    if (this.#asked === undefined || now - this.#asked.at >= FRESH) {
      const late = (): ApiError => new ApiError('TIMEOUT', 'The status took too long.', { retryAfter: FRESH })
      const answer = waitFor(this.#look(), { timeout: this.#timeout }, late)
      answer.then(
        ({ at }) => {
          if (at !== null) this.#ahead = Date.parse(at) - Date.now()
        },
        () => undefined,
      )
      this.#asked = { answer, at: now }
    }
    return this.#asked.answer
  }

  /** The database's time, about: by the last status. */
  now(): Date {
    return new Date(Date.now() + this.#ahead)
  }

  /** Tells each change of the status from now on, at most one a second, and the last one at once. Returns what ends it. */
  listen(listener: (message: FeedMessage) => void): () => void {
    this.#listeners.add(listener)
    if (this.#last !== undefined && this.#timer !== undefined) listener(this.#last.message)
    else this.#turn()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      clearTimeout(this.#timer)
      this.#timer = undefined
      this.#last = undefined
    }
  }

  /** How many listen. */
  get listeners(): number {
    return this.#listeners.size
  }

  #turn(): void {
    if (this.#timer !== undefined) return
    const again = async (): Promise<void> => {
      const message = await this.read().then(
        (data): FeedMessage => ({ event: 'status', data }),
        (error: unknown): FeedMessage => ({ event: 'trouble', data: troubleOf(error) }),
      )
      this.#tell(message)
      if (this.#listeners.size > 0) this.#timer = setTimeout(() => void again(), FRESH).unref()
    }
    // A separate turn: the first listener is there by then.
    this.#timer = setTimeout(() => void again(), 0).unref()
  }

  #tell(message: FeedMessage): void {
    const text = JSON.stringify(message, stillValues)
    const now = performance.now()
    if (this.#last?.text === text && now - this.#last.at < AT_LEAST) return
    this.#last = { text, at: now, message }
    for (const listener of this.#listeners) listener(message)
  }
}

/** What changes only by the clock is not a change. */
const BY_CLOCK = ['at', 'leaseLeft', 'probeIn', 'since', 'lag']

function stillValues(name: string, value: unknown): unknown {
  return BY_CLOCK.includes(name) && value !== null ? 0 : value
}

function troubleOf(error: unknown): LiveTrouble {
  const { code, detail } = problemAnswer(problemOf(error))
  return { code, detail: code === 'UNEXPECTED' ? describeError('the status could not be read') : detail }
}
