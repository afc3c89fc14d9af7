import { Pause } from '../foundation/pause.ts'
import type { CoordinationStore } from '../store/coordination-store.ts'
import type { RelayStore } from '../store/relay-store.ts'

export interface UnservedParts {
  readonly relay: Pick<RelayStore, 'waitingNames'>
  readonly coordination: Pick<CoordinationStore, 'survey'>
  /** What the name '' stands for. */
  readonly defaultBackend: string
  /** The backends that this worker serves. */
  readonly served: readonly string[]
  /** Before the first look, in ms: workers that start with us are there by then, and dead ones are gone. */
  readonly grace: number
  /** Between two looks, in ms. */
  readonly interval: number
  /** Is told of each name once. */
  readonly onFound: (backend: string) => void
  readonly onError: (error: unknown) => void
}

/** Names read in one look, and reported in all. */
const MOST_NAMES = 100

/** Looks now and then for events that no living worker will ever deliver: no worker serves their backend's name. */
export class Unserved {
  readonly #parts: UnservedParts
  readonly #told = new Set<string>()
  readonly #pause = new Pause()
  #stopping = false

  constructor(parts: UnservedParts) {
    this.#parts = parts
  }

  /** Never rejects. */
  async run(): Promise<void> {
    const { grace, interval, onError } = this.#parts
    await this.#pause.sleep(grace)
    while (!this.#stopping) {
      await this.#look().catch(onError)
      await this.#pause.sleep(interval * (0.75 + Math.random() / 2))
    }
  }

  stop(): void {
    this.#stopping = true
    this.#pause.end()
  }

  async #look(): Promise<void> {
    const { relay, coordination, served, defaultBackend, onFound } = this.#parts
    const waiting = (await relay.waitingNames(MOST_NAMES)).map((name) => name || defaultBackend)
    const unknown = waiting.filter((name) => !served.includes(name) && !this.#told.has(name))
    if (unknown.length === 0 || this.#stopping) return
    const { workers } = await coordination.survey([])
    for (const name of new Set(unknown)) {
      if (workers.some(({ backends }) => backends.includes(name)) || this.#told.size >= MOST_NAMES) continue
      this.#told.add(name)
      onFound(name)
    }
  }
}
