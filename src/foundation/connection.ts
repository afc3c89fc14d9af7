import { BroadcasterError } from '../errors.ts'
import { InFlight } from './in-flight.ts'
import { waitFor } from './waiting.ts'

/** What a connection is made of. */
export interface ConnectionParts<Open> {
  readonly open: () => Promise<Open>
  /** Whether one can still be used, as far as the client knows. Default: until it is dropped. */
  readonly isUsable?: (open: Open) => boolean
  /** Ends one at once: nothing sent on it may arrive later. */
  readonly end: (open: Open) => void
  /** Ends an unused one in its own time; `end` follows. */
  readonly close?: (open: Open) => Promise<unknown>
  /** The error for a caller whose signal aborts while it waits for one. */
  readonly interrupted: (reason: unknown) => Error
}

/**
 * A connection that is opened when first needed, and again after it was dropped. Our clients neither reconnect nor
 * resend by themselves: when a connection is dropped, what was not acknowledged has failed, and none of it can arrive
 * after what is sent on the next connection.
 */
export class Connection<Open extends object> {
  readonly #parts: ConnectionParts<Open>
  readonly #inFlight = new InFlight()
  readonly #ended = new AbortController()
  #current: Open | undefined
  #opening: Promise<Open> | undefined
  #closing: Promise<void> | undefined

  constructor(parts: ConnectionParts<Open>) {
    this.#parts = parts
  }

  get closed(): boolean {
    return this.#closing !== undefined
  }

  /** The one that is open, as far as is known. */
  get current(): Open | undefined {
    return this.#current
  }

  /** Aborts when `close` has waited for what was in flight. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  /** The open one, or a new one. Rejects as `open` does, and with `CLOSED` after `close`. */
  async get(signal?: AbortSignal): Promise<Open> {
    if (this.closed) throw new BroadcasterError('CLOSED', 'this connection is closed')
    if (this.#current !== undefined) {
      if (this.#parts.isUsable?.(this.#current) ?? true) return this.#current
      this.drop(this.#current)
    }
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    // Others may be waiting for the same connection: an abort ends this wait, not the attempt to open it.
    return waitFor(this.#opening, { signal }, () => this.#parts.interrupted(signal?.reason))
  }

  /** Ends a connection that did not answer or broke. One that is not the current one, or no longer, is left alone. */
  drop(open: object): void {
    const current = this.#current
    if (current === open && this.forget(current)) this.#parts.end(current)
  }

  /**
   * Lets nothing more begin on a connection; what is in flight on it goes on, and the caller must end it. Returns
   * whether it was the current one.
   */
  forget(open: Open): boolean {
    if (this.#current !== open) return false
    this.#current = undefined
    return true
  }

  /** Lets `close` wait for the promise. */
  track<T>(promise: Promise<T>): Promise<T> {
    return this.#inFlight.track(promise)
  }

  /** Opens nothing more, waits for what is being opened or in flight, then ends what is open. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #open(): Promise<Open> {
    this.#current = await this.#parts.open()
    return this.#current
  }

  async #close(): Promise<void> {
    await Promise.allSettled([this.#opening, this.#inFlight.settled()])
    this.#ended.abort()
    const open = this.#current
    this.#current = undefined
    if (open === undefined) return
    await this.#parts.close?.(open).catch(() => undefined)
    this.#parts.end(open)
  }
}
