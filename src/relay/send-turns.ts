import type { Backend } from '../backend/backend.ts'
import type { SendShare, SlotUser } from './send-slots.ts'

/**
 * The sends of one cycle: at most `concurrency` at once and, where outboxes share slots, each in a slot of its outbox.
 */
export class SendTurns {
  readonly #concurrency: number
  readonly #backend: Backend
  readonly #share: SendShare | undefined
  readonly #user: SlotUser | undefined
  #sending = 0
  #kept = false

  /** `onSlot` is called when a slot has become free for us. */
  constructor(concurrency: number, backend: Backend, share: SendShare | undefined, onSlot: () => void) {
    this.#concurrency = concurrency
    this.#backend = backend
    this.#share = share
    if (share === undefined) return
    const grant = (): boolean => {
      this.#kept = true
      onSlot()
      const used = !this.#kept
      this.#kept = false
      return used
    }
    this.#user = { share, backend, grant }
  }

  /** How many sends may begin, whatever slots are free. */
  get free(): number {
    return Math.max(0, this.#concurrency - this.#sending)
  }

  /** Whether a send may start now; each is ended by `end`. Where slots are shared and none is free, `onSlot` follows. */
  begin(): boolean {
    if (this.free === 0) return false
    if (this.#kept) this.#kept = false
    else if (this.#user !== undefined && !this.#user.share.slots.take(this.#user)) return false
    this.#sending++
    return true
  }

  /** The send that just began takes this many events along. */
  charge(events: number): void {
    this.#share?.slots.charge(this.#share, events)
  }

  end(): void {
    this.#sending--
    this.#share?.slots.free(this.#backend)
  }

  /** Begins one send whatever `concurrency` says, as soon as there is a slot. */
  async wait(): Promise<void> {
    this.#sending++
    await this.#slot()
    this.charge(1)
  }

  /** Does something in the middle of a send that may take long and does not concern the backend, without a slot. */
  async aside<T>(work: () => Promise<T>): Promise<T> {
    if (this.#share === undefined) return work()
    this.#share.slots.free(this.#backend)
    try {
      return await work()
    } finally {
      await this.#slot()
    }
  }

  async #slot(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const share = this.#share
    const grant = (): boolean => {
      resolve()
      return true
    }
    if (share === undefined || share.slots.take({ share, backend: this.#backend, grant })) return
    await promise
  }
}
