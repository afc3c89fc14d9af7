import { setTimeout as sleep } from 'node:timers/promises'
import type { ByteBudget } from './byte-budget.ts'

/** The body has more bytes than are taken. */
export class BodyTooLargeError extends Error {
  override readonly name = 'BodyTooLargeError'
}

/** The body comes too slowly, or not to its end. */
export class BodyTooSlowError extends Error {
  override readonly name = 'BodyTooSlowError'
}

/** The bodies held at this moment leave no room for this one. */
export class NoRoomForBodyError extends Error {
  override readonly name = 'NoRoomForBodyError'
}

export interface BodyLimits {
  /** Of this body, in bytes. */
  readonly maxBytes: number
  /** How long it may take to arrive, in milliseconds. */
  readonly timeout: number
}

/** A body that was read; it counts against the budget until `release`. */
export interface HeldBody {
  readonly bytes: Uint8Array
  release(): void
}

/** The slowest average that a body may arrive at, in bytes per millisecond (1 kB a second). */
const SLOWEST = 1
/** How long it may be slower at first, in milliseconds: the first packets of a connection may be lost and resent. */
const GRACE = 3_000
/** The first buffer for a body, in bytes; it grows by doubling. */
const FIRST_PIECE = 16 * 1024

/**
 * Reads a body into one buffer as it arrives, so that memory does not depend on the number of pieces. Rejects with
 * `BodyTooLargeError` (at once, when its length is announced), `BodyTooSlowError`, `NoRoomForBodyError`, or with the
 * reason why it could not be read.
 */
export async function readBody(
  request: Request,
  { maxBytes, timeout }: BodyLimits,
  budget: ByteBudget,
): Promise<HeldBody> {
  const { body } = request
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw new BodyTooLargeError()
  if (body === null) return { bytes: new Uint8Array(), release: () => undefined }
  const reader = body.getReader()
  const room = new GrowingBuffer(maxBytes, budget)
  const patience = new AbortController()
  let tooSlow: BodyTooSlowError | undefined
  // Not raced with each read, which would leave a listener behind each time: cancelling ends the waiting read.
  void runsOut(() => room.size, timeout, patience.signal).catch((error: unknown) => {
    if (!(error instanceof BodyTooSlowError)) return
    tooSlow = error
    void reader.cancel().catch(() => undefined)
  })
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (tooSlow) throw tooSlow
      if (done) return { bytes: room.bytes, release: () => room.release() }
      room.add(value)
    }
  } catch (error) {
    room.release()
    // Not waited for: the rest may come slowly.
    void reader.cancel().catch(() => undefined)
    throw error
  } finally {
    patience.abort()
  }
}

/** Rejects with `BodyTooSlowError` when the time is over, or when less than `SLOWEST` has come on average. */
async function runsOut(received: () => number, timeout: number, signal: AbortSignal): Promise<never> {
  const started = performance.now()
  for (;;) {
    const passed = performance.now() - started
    const left = Math.min(timeout, GRACE + received() / SLOWEST) - passed
    if (left <= 0) throw new BodyTooSlowError(`${received()} bytes of the body came in ${Math.round(passed)} ms`)
    await sleep(left, undefined, { signal })
  }
}

/** One buffer that grows by doubling; its room is taken from the budget before it is allocated. */
class GrowingBuffer {
  readonly #limit: number
  readonly #budget: ByteBudget
  #buffer = Buffer.alloc(0)
  #size = 0
  #isReleased = false

  constructor(limit: number, budget: ByteBudget) {
    this.#limit = limit
    this.#budget = budget
  }

  get size(): number {
    return this.#size
  }

  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#size)
  }

  add(piece: Uint8Array): void {
    const size = this.#size + piece.byteLength
    if (size > this.#limit) throw new BodyTooLargeError()
    if (size > this.#buffer.byteLength) this.#grow(size)
    this.#buffer.set(piece, this.#size)
    this.#size = size
  }

  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#budget.give(this.#buffer.byteLength)
  }

  #grow(needed: number): void {
    const old = this.#buffer
    const capacity = Math.min(this.#limit, Math.max(FIRST_PIECE, 2 * old.byteLength, needed))
    if (!this.#budget.take(capacity - old.byteLength)) throw new NoRoomForBodyError()
    // Not from the pool of small buffers, where one slice keeps the whole pool alive.
    this.#buffer = Buffer.allocUnsafeSlow(capacity)
    this.#buffer.set(old.subarray(0, this.#size))
  }
}
