import { Pause } from '../foundation/pause.ts'

/** Work beside the relay, a bounded step at a time. */
export interface BackgroundWork {
  /** Makes one step; resolves with the milliseconds until the next is due, Infinity = nothing is to be done. */
  step(): Promise<number>
}

/** Between two looks when there was nothing to do, in ms. */
const IDLE = 5_000
/** After an error, in ms. */
const AFTER_ERROR = 30_000
/** Between two steps, in ms: the relay has the database for most of the time. */
const BETWEEN = 20

/** Looks for such work now and then, until `stop`. */
export class Background {
  readonly #work: BackgroundWork
  readonly #onError: (error: unknown) => void
  readonly #pause = new Pause()
  #stopping = false

  constructor(work: BackgroundWork, onError: (error: unknown) => void) {
    this.#work = work
    this.#onError = onError
  }

  /** Never rejects. */
  async run(): Promise<void> {
    await this.#pause.sleep(IDLE * Math.random())
    while (!this.#stopping) {
      try {
        const due = await this.#work.step()
        await this.#pause.sleep(Math.min(IDLE * (0.75 + Math.random() / 2), Math.max(BETWEEN, due)))
      } catch (error) {
        this.#onError(error)
        await this.#pause.sleep(AFTER_ERROR)
      }
    }
  }

  stop(): void {
    this.#stopping = true
    this.#pause.end()
  }
}
