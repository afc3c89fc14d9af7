import { describeError } from '../foundation/describe-error.ts'
import { settles } from '../foundation/waiting.ts'

/** The answer to one check. */
export interface Answer {
  readonly ready: boolean
  /** What is wrong; null = nothing. */
  readonly detail: string | null
}

/** A check without an answer is made again after this long, in ms: by then its connection has been given up. */
const FORGOTTEN = 30_000

/**
 * Checks one thing for all callers: one check at a time, and its answer is reused for a moment. A check that hangs is
 * reported as such, to later callers at once.
 */
export class Probe {
  readonly #ask: () => Promise<Answer>
  #asking: { readonly since: number; readonly answer: Promise<Answer> } | undefined
  #last: { readonly at: number; readonly answer: Answer } | undefined

  /** `ask` never rejects. */
  constructor(ask: () => Promise<Answer>) {
    this.#ask = ask
  }

  /** Resolves within `timeout` ms; an answer younger than `maxAge` ms is reused. */
  async look({ timeout, maxAge }: { readonly timeout: number; readonly maxAge: number }): Promise<Answer> {
    const now = performance.now()
    if (this.#last !== undefined && now - this.#last.at < maxAge) return this.#last.answer
    if (this.#asking === undefined || now - this.#asking.since > FORGOTTEN) this.#begin(now)
    const { since, answer } = this.#asking ?? this.#begin(now)
    if (await settles(answer, { timeout: Math.max(0, since + timeout - now) })) return answer
    return { ready: false, detail: `no answer within ${timeout} ms` }
  }

  #begin(since: number) {
    const asking = { since, answer: this.#ask() }
    this.#asking = asking
    void asking.answer.then((answer) => {
      if (this.#asking !== asking) return
      this.#asking = undefined
      this.#last = { at: performance.now(), answer }
    })
    return asking
  }
}

/** The outcome of a look. Never rejects. */
export async function answerOf(look: () => unknown): Promise<Answer> {
  try {
    await look()
    return { ready: true, detail: null }
  } catch (error) {
    return { ready: false, detail: describeError(error) }
  }
}
