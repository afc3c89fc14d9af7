import type { CoordinationStore } from '../store/coordination-store.ts'
import { type ActedBy, actorOf, reasonOf } from './actor.ts'
import type { Audit } from './audit-log.ts'
import { requireBackend } from './require-backend.ts'
import type { Paused } from './status.ts'

/** A backend that is paused. */
export interface PausedBackend extends Paused {
  /** The name of the backend. */
  readonly backend: string
}

/** Pausing backends: nothing is sent to one until it is resumed, by any worker. */
export class Pauses {
  readonly #coordination: CoordinationStore
  readonly #names: () => readonly string[]
  readonly #audit: Audit

  /** `names`: the backends that are configured. */
  constructor(coordination: CoordinationStore, names: () => readonly string[], audit: Audit) {
    this.#coordination = coordination
    this.#names = names
    this.#audit = audit
  }

  async pause(backend: string, options: ActedBy = {}): Promise<boolean> {
    const names = this.#names()
    requireBackend(backend, names)
    return this.#audit.write(
      { what: 'pause', target: { backend }, ...options },
      () => this.#coordination.breakers.pause(backend, actorOf(options), reasonOf(options)),
      changed,
    )
  }

  /** One that is paused may have left the configuration since. */
  async resume(backend: string, options: ActedBy = {}): Promise<boolean> {
    const names = this.#names()
    if (!names.includes(backend)) {
      const isKnown = typeof backend === 'string' && (await this.#pausedIn([backend])).length > 0
      if (!isKnown) requireBackend(backend, names)
    }
    return this.#audit.write(
      { what: 'resume', target: { backend }, ...options },
      () => this.#coordination.breakers.resume(backend),
      changed,
    )
  }

  list(): Promise<readonly PausedBackend[]> {
    return this.#pausedIn(this.#names())
  }

  async #pausedIn(names: readonly string[]): Promise<readonly PausedBackend[]> {
    const { breakers } = await this.#coordination.look(names)
    return breakers.flatMap(({ backend, paused }) => (paused === null ? [] : [{ backend, ...paused }]))
  }
}

function changed(done: boolean | undefined): { readonly moved: number } {
  return { moved: done === true ? 1 : 0 }
}
