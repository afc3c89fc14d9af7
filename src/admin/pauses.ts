import { BroadcasterError } from '../errors.ts'
import { suggestion } from '../foundation/suggestion.ts'
import type { CoordinationStore } from '../store/coordination-store.ts'
import { type ActedBy, actorOf, reasonOf } from './actor.ts'
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

  /** `names`: the backends that are configured. */
  constructor(coordination: CoordinationStore, names: () => readonly string[]) {
    this.#coordination = coordination
    this.#names = names
  }

  async pause(backend: string, options: ActedBy = {}): Promise<boolean> {
    const names = this.#names()
    if (!names.includes(backend)) throw unknown(backend, names)
    return this.#coordination.breakers.pause(backend, actorOf(options), reasonOf(options))
  }

  /** One that is paused may have left the configuration since. */
  async resume(backend: string, options: ActedBy = {}): Promise<boolean> {
    actorOf(options)
    reasonOf(options)
    const resumed = typeof backend === 'string' && (await this.#coordination.breakers.resume(backend))
    const names = this.#names()
    if (!resumed && !names.includes(backend)) throw unknown(backend, names)
    return resumed
  }

  async list(): Promise<readonly PausedBackend[]> {
    const { breakers } = await this.#coordination.look(this.#names())
    return breakers.flatMap(({ backend, paused }) => (paused === null ? [] : [{ backend, ...paused }]))
  }
}

function unknown(backend: string, names: readonly string[]): BroadcasterError {
  const known = names.length === 0 ? 'there are none' : `there are ${names.join(', ')}`
  const message = `there is no backend ${backend} here${suggestion(String(backend), names) || `; ${known}`}`
  return new BroadcasterError('UNKNOWN_BACKEND', message, { field: 'backend', value: backend })
}
