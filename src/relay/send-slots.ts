import type { Backend } from '../backend/backend.ts'

/** How many sends may be in flight. */
export interface SendSlotsOptions {
  /** Over all outboxes and backends. */
  readonly inAll: number
  /** At one backend object, over all outboxes that have it. */
  readonly atBackend: number
}

/** A cycle of an outbox that is ready to send to a backend. */
export interface SlotUser {
  readonly share: SendShare
  readonly backend: Backend
  /** A slot is kept for it. Returns whether it was taken; otherwise the next in turn gets it. */
  readonly grant: () => boolean
}

/** What one outbox had of the slots: how far it is ahead, in events. */
export interface SendShare {
  /** @internal */
  readonly slots: SendSlots
  /**
   * Virtual time at which its next send may begin. Written by `SendSlots` alone.
   * @internal
   */
  served: number
}

/**
 * The sends that several outboxes may have in flight together. A slot that becomes free goes to the waiting outbox that
 * was served the fewest events (start-time fair queueing): one with a million events and one with a single event get
 * the same share, and who was idle has saved up nothing and owes nothing.
 *
 * A slot is never free while a waiting cycle could use it, so a cycle that finds one free may take it.
 */
export class SendSlots {
  readonly #options: SendSlotsOptions
  readonly #waiting = new Set<SlotUser>()
  readonly #inUseAt = new Map<Backend, number>()
  #inUse = 0
  /** Virtual time: where the send began that was granted last. */
  #now = 0
  #handingOut = false

  constructor(options: SendSlotsOptions) {
    this.#options = options
  }

  /** Sends in flight now. */
  get inUse(): number {
    return this.#inUse
  }

  /** The account of one outbox. */
  share(): SendShare {
    return { slots: this, served: 0 }
  }

  /** Takes a slot; or has the user wait, until its `grant` is called with a slot kept for it, and returns false. */
  take(user: SlotUser): boolean {
    if (!this.#handingOut && this.#hasRoom(user.backend)) {
      this.#count(user.backend, 1)
      return true
    }
    this.#waiting.add(user)
    return false
  }

  /** The slot just taken is used for this many events. */
  charge(share: SendShare, events: number): void {
    this.#now = Math.max(share.served, this.#now)
    share.served = this.#now + events
  }

  /** The send is over, or the slot was not used. */
  free(backend: Backend): void {
    this.#count(backend, -1)
    // Called by a cycle that was just offered a slot: the loop that offered it goes on.
    if (this.#handingOut) return
    this.#handingOut = true
    try {
      for (let next = this.#next(); next !== undefined; next = this.#next()) {
        this.#waiting.delete(next)
        this.#count(next.backend, 1)
        if (!next.grant()) this.#count(next.backend, -1)
      }
    } finally {
      this.#handingOut = false
    }
  }

  /**
   * The waiting user with a place to go to whose outbox was served least. Among equals one that was idle until now, so
   * that its single event is in the next send; then the one that has waited longest.
   */
  #next(): SlotUser | undefined {
    let best: SlotUser | undefined
    for (const user of this.#waiting) {
      if (!this.#hasRoom(user.backend)) continue
      if (best === undefined || this.#isBefore(user, best)) best = user
    }
    return best
  }

  #isBefore(one: SlotUser, other: SlotUser): boolean {
    const ahead = this.#begin(one) - this.#begin(other)
    return ahead === 0 ? one.share.served < other.share.served : ahead < 0
  }

  #begin({ share }: SlotUser): number {
    return Math.max(share.served, this.#now)
  }

  #hasRoom(backend: Backend): boolean {
    return this.#inUse < this.#options.inAll && (this.#inUseAt.get(backend) ?? 0) < this.#options.atBackend
  }

  #count(backend: Backend, by: 1 | -1): void {
    this.#inUse += by
    const left = (this.#inUseAt.get(backend) ?? 0) + by
    if (left > 0) this.#inUseAt.set(backend, left)
    else this.#inUseAt.delete(backend)
  }
}
