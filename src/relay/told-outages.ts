import type { CoordinationStore } from '../store/coordination-store.ts'
import type { BreakerName, HistoryStore } from '../store/history-store.ts'
import { answered } from './patient-store.ts'

export interface OutageLogParts {
  readonly history: HistoryStore
  /** Who opens and closes: the worker's name. */
  readonly by: string
  /** How long one statement may take, in ms. */
  readonly statementTime: number
  readonly onError: (error: unknown) => void
}

/** Writes outages down one thing after the other. Nobody waits for it: a breaker never depends on its history. */
export class OutageLog {
  readonly #parts: OutageLogParts
  #last: Promise<unknown> = Promise.resolve()

  constructor(parts: OutageLogParts) {
    this.#parts = parts
  }

  /** Resolves when all is written, or could not be. */
  async idle(): Promise<void> {
    await this.#last
  }

  /** The same store, whose breakers are written down. */
  watch(store: CoordinationStore): CoordinationStore {
    const { breakers, destinations } = store
    return {
      ...store,
      breakers: {
        ...breakers,
        open: async (backend, probeAfter, error) =>
          this.#opened({ backend, destination: '' }, error, await breakers.open(backend, probeAfter, error)),
        tryProbe: async (backend, again) =>
          this.#probed({ backend, destination: '' }, await breakers.tryProbe(backend, again)),
        postpone: async (backend, probeAfter, error) => {
          await breakers.postpone(backend, probeAfter, error)
          this.#stillDown({ backend, destination: '' }, error)
        },
        close: async (backend) => this.#closed({ backend, destination: '' }, await breakers.close(backend)),
      },
      destinations: {
        ...destinations,
        open: async (backend, destination, probeAfter, error) =>
          this.#opened(
            { backend, destination },
            error,
            await destinations.open(backend, destination, probeAfter, error),
          ),
        tryProbe: async (backend, destination, again) =>
          this.#probed({ backend, destination }, await destinations.tryProbe(backend, destination, again)),
        postpone: async (backend, destination, probeAfter, error) => {
          await destinations.postpone(backend, destination, probeAfter, error)
          this.#stillDown({ backend, destination }, error)
        },
        close: async (backend, destination) =>
          this.#closed({ backend, destination }, await destinations.close(backend, destination)),
      },
    }
  }

  #opened(breaker: BreakerName, error: string, isDone: boolean): boolean {
    if (isDone) this.#write((history) => history.opened(breaker, this.#parts.by, error))
    return isDone
  }

  #probed(breaker: BreakerName, isDone: boolean): boolean {
    if (isDone) this.#write((history) => history.probed(breaker))
    return isDone
  }

  #stillDown(breaker: BreakerName, error: string): void {
    this.#write((history) => history.stillDown(breaker, error))
  }

  #closed(breaker: BreakerName, isDone: boolean): boolean {
    if (isDone) this.#write((history) => history.closed(breaker, this.#parts.by))
    return isDone
  }

  #write(work: (history: HistoryStore) => Promise<void>): void {
    const { history, statementTime, onError } = this.#parts
    this.#last = this.#last.then(() => answered(2 * statementTime, work(history)).catch(onError))
  }
}
