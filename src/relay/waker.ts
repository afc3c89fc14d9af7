import type { WakeListener, WakeStore } from '../store/store.ts'
import { answered } from './patient-store.ts'

/** A loop that waits for work. */
export interface Sleeper {
  wake(): void
}

/** An announcement of a commit that comes so soon after a call from within this process is taken for the same: ms. */
const SAME = 5
/** How long after it was lost, or was refused, a listening connection is asked for again, in ms. */
const LISTEN_AGAIN = 1_000

/**
 * Wakes the relays of one worker. The store is asked to announce commits ("armed") while all of them wait, and while events come
 * slowly; as soon as they rush to one of them it is asked not to, so that a busy system pays nothing for wake-ups.
 */
export class Waker {
  readonly #store: WakeStore | undefined
  readonly #onError: (error: unknown) => void
  readonly #limit: number
  readonly #sleepers = new Set<Sleeper>()
  readonly #idle = new Set<Sleeper>()
  /** Those to whom events come so fast that announcing each commit would cost more than it saves. */
  readonly #rushed = new Set<Sleeper>()
  readonly #watchers: (() => void)[] = []
  #listener: WakeListener | undefined
  #armed = false
  /** No commit since it was armed said nothing because another was just telling. */
  #isComplete = false
  #changing: Promise<unknown> = Promise.resolve()
  #generation = 0
  readonly #swept = new WeakMap<Sleeper, number>()
  /** Monotonic time from which on the store may be asked to listen again. */
  #againAt = Number.POSITIVE_INFINITY
  #hasListened = false
  /** Monotonic time of the last call from within this process. */
  #calledAt = Number.NEGATIVE_INFINITY
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
        (about) => this.#woken(about),
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

  /**
   * The store has answered: a lost connection is opened again. Not before: it would compete for the pool's connections with
   * those who need them, while none of them gets an answer.
   */
  storeAnswered(): void {
    if (performance.now() < this.#againAt) return
    this.#againAt = Number.POSITIVE_INFINITY
    void this.start()
  }

  /** Something was committed in this process, or may have happened elsewhere. */
  wakeAll(): void {
    this.#calledAt = performance.now()
    for (const watcher of this.#watchers) watcher()
    for (const sleeper of this.#sleepers) sleeper.wake()
  }

  #woken(about: 'events' | undefined): void {
    this.#isComplete = false
    if (about !== 'events') for (const watcher of this.#watchers) watcher()
    // Most likely of the commit that has just called from within: what else there is the next poll finds.
    else if (performance.now() - this.#calledAt < SAME) return
    for (const sleeper of this.#sleepers) sleeper.wake()
  }

  /** `sleeper` found nothing just now, and events come slowly: commits are to be announced soon. Waits for nothing. */
  attend(sleeper: Sleeper): void {
    this.#rushed.delete(sleeper)
    if (this.#listener !== undefined && !this.#armed && this.#rushed.size === 0) void this.#change(true)
  }

  /**
   * `sleeper` found nothing and would wait. `sweep`: commits are announced from now on, look once more before you
   * sleep; `sleep`: a commit will wake you; `poll`: nobody will; `beside-busy`: nobody will while others work.
   */
  async rest(sleeper: Sleeper): Promise<'sweep' | 'sleep' | 'poll' | 'beside-busy'> {
    this.#idle.add(sleeper)
    this.#rushed.delete(sleeper)
    if (this.#listener === undefined) return 'poll'
    if (this.#idle.size < this.#sleepers.size) return 'beside-busy'
    await this.#change(true)
    if (!this.#armed) return 'poll'
    if (this.#swept.get(sleeper) === this.#generation) return 'sleep'
    this.#swept.set(sleeper, this.#generation)
    return 'sweep'
  }

  /** Whether all relays wait, and the store will announce the next commit. */
  get isQuiet(): boolean {
    return this.#armed && this.#idle.size === this.#sleepers.size
  }

  /** `sleeper` works again. `isRushed`: so much comes to it that commits had better not be announced. */
  busy(sleeper: Sleeper, isRushed: boolean): void {
    this.#idle.delete(sleeper)
    if (!isRushed) {
      this.#rushed.delete(sleeper)
      return
    }
    this.#rushed.add(sleeper)
    if (!this.#armed) return
    void this.#change(false)
    // Nothing is announced from now on to those that sleep for long.
    for (const idle of this.#idle) idle.wake()
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#changing
    if (this.#listener) await answered(this.#limit, this.#listener.close()).catch(this.#onError)
    this.#listener = undefined
  }

  #change(arm: boolean): Promise<unknown> {
    this.#changing = this.#changing.then(async () => {
      if (this.#listener === undefined || (arm ? this.#armed && this.#isComplete : !this.#armed)) return
      try {
        if (arm) {
          // What is announced while it is armed counts for the next time.
          this.#isComplete = true
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
    this.#againAt = performance.now() + LISTEN_AGAIN
  }
}
