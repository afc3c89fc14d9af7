import type { WakeListener, WakeStore } from '../store/store.ts'
import { answered } from './patient-store.ts'

/** Somebody who waits for work. */
export interface Sleeper {
  wake(): void
}

/**
 * Wakes the relays of one worker. While all of them wait, the store is asked to announce commits ("armed"); as soon as
 * one works it is asked not to, so that a busy system pays nothing for wake-ups.
 */
export class Waker {
  readonly #store: WakeStore | undefined
  readonly #onError: (error: unknown) => void
  readonly #limit: number
  readonly #sleepers = new Set<Sleeper>()
  readonly #idle = new Set<Sleeper>()
  readonly #watchers: (() => void)[] = []
  #listener: WakeListener | undefined
  #armed = false
  #changing: Promise<unknown> = Promise.resolve()
  #generation = 0
  readonly #swept = new WeakMap<Sleeper, number>()
  #retry: NodeJS.Timeout | undefined
  #hasListened = false
  #closed = false

  /** `limit`: after how many ms without an answer a connection counts as lost. */
  constructor(store: WakeStore | undefined, onError: (error: unknown) => void, limit: number) {
    this.#store = store
    this.#limit = limit
    this.#onError = onError
  }

  add(sleeper: Sleeper): void {
    this.#sleepers.add(sleeper)
  }

  /** Calls `onWake` whenever the store announces something. */
  watch(onWake: () => void): void {
    this.#watchers.push(onWake)
  }

  /** Listens, if the store can; otherwise relays poll. A connection lost later is opened again. */
  async start(): Promise<void> {
    if (this.#store === undefined || this.#closed) return
    try {
      const listener = await this.#store.listen(
        () => this.wakeAll(),
        (error) => this.#lost(error),
      )
      this.#hasListened = true
      if (this.#closed) await listener.close()
      else this.#listener = listener
    } catch (error) {
      this.#onError(error)
      // A store that never could (a pooler between us) is not asked again.
      if (this.#hasListened) this.#listenAgain()
    }
  }

  wakeAll(): void {
    for (const watcher of this.#watchers) watcher()
    for (const sleeper of this.#sleepers) sleeper.wake()
  }

  /**
   * `sleeper` found nothing and would wait. `sweep`: commits are announced from now on, look once more before you
   * sleep; `sleep`: a commit will wake you; `poll`: nobody will; `beside-busy`: nobody will while others work.
   */
  async rest(sleeper: Sleeper): Promise<'sweep' | 'sleep' | 'poll' | 'beside-busy'> {
    this.#idle.add(sleeper)
    if (this.#listener === undefined) return 'poll'
    if (this.#idle.size < this.#sleepers.size) return 'beside-busy'
    if (!this.#armed) await this.#change(true)
    if (!this.#armed) return 'poll'
    if (this.#swept.get(sleeper) === this.#generation) return 'sleep'
    this.#swept.set(sleeper, this.#generation)
    return 'sweep'
  }

  /** Whether all relays wait, and the store will announce the next commit. */
  get isQuiet(): boolean {
    return this.#armed && this.#idle.size === this.#sleepers.size
  }

  /** `sleeper` works again. */
  busy(sleeper: Sleeper): void {
    this.#idle.delete(sleeper)
    if (this.#armed) void this.#change(false)
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    await this.#changing
    if (this.#listener) await answered(this.#limit, this.#listener.close()).catch(this.#onError)
    this.#listener = undefined
  }

  #change(arm: boolean): Promise<unknown> {
    this.#changing = this.#changing.then(async () => {
      if (this.#armed === arm || this.#listener === undefined) return
      try {
        if (arm) {
          this.#armed = await answered(this.#limit, this.#listener.arm())
          if (this.#armed) this.#generation++
        } else {
          this.#armed = false
          await answered(this.#limit, this.#listener.disarm())
        }
      } catch (error) {
        this.#lost(error)
      }
    })
    return this.#changing
  }

  #lost(error: unknown): void {
    this.#armed = false
    this.#listener = undefined
    if (this.#closed) return
    this.#onError(error)
    this.wakeAll()
    this.#listenAgain()
  }

  #listenAgain(): void {
    clearTimeout(this.#retry)
    if (this.#closed) return
    this.#retry = setTimeout(() => void this.start(), 1_000)
    this.#retry.unref()
  }
}
