import type { Outcome } from '../store/relay-store.ts'
import { Announcements } from './announcements.ts'
import type { CycleOptions } from './cycle-options.ts'
import type { Head, HeldKeys } from './held-keys.ts'
import type { HeldEvent, InHand } from './in-hand.ts'
import type { LaneReader } from './lane-reader.ts'
import type { SendVerdict } from './outcomes.ts'
import type { SendBuffer } from './send-buffer.ts'
import { SettleTally } from './settle-tally.ts'
import type { Settled, Settler } from './settler.ts'

/** What a cycle shares with its conclusions. */
export interface ConclusionParts {
  readonly options: CycleOptions
  readonly inHand: InHand
  readonly buffer: SendBuffer
  readonly held: HeldKeys
  readonly reader: LaneReader
  readonly settler: Settler
  /** An event left the hand: there is room for another. */
  readonly onDropped: (held: HeldEvent) => void
  /** A retry or failure was not ours to record: what holds the keys of its lane is not what we think. */
  readonly onLost: (lane: number) => void
}

/** How long an event whose outcome the store refuses is left alone, in ms: then it is sent again. */
const SHELF_TIME = 600_000
/** What is behind one that cannot be parked yet is checked again after this long, in ms. */
const STUCK_AGAIN = 1_000

/** Ends an event's stay in memory: settled, parked behind its key's head, or given back. Announces what was recorded. */
export class Conclusion {
  readonly #parts: ConclusionParts
  readonly #announcements: Announcements
  readonly #tally: SettleTally
  #published = 0

  constructor(parts: ConclusionParts) {
    this.#parts = parts
    const { signals, records, name: backend, worker } = parts.options
    this.#announcements = new Announcements({ signals, records, backend, worker })
    this.#tally = new SettleTally({ signals, backend, worker })
  }

  /** Resolves when all that was recorded is reported by signals. */
  announced(): Promise<void> {
    return this.#announcements.idle()
  }

  /** Events whose delivery was recorded. */
  get published(): number {
    return this.#published
  }

  /** A settle is through: what it recorded has come in one by one. How long it took, in ms. */
  settled(duration: number): void {
    this.#tally.tell(duration)
  }

  conclude(held: HeldEvent, verdict: SendVerdict): void {
    const blocker = held.key === null ? undefined : this.#parts.held.blocker(held.lane, held.key, held.seq)
    if (verdict.kind === 'settle') this.#settle(held, verdict.outcome, verdict.error)
    else if (blocker && verdict.kind === 'not-attempted') this.park(held, blocker)
    else this.giveBack(held)
  }

  /** It cannot go now: out of the hot index until the head of its key is due. */
  park(held: HeldEvent, head: Pick<Head, 'id' | 'dueAt' | 'isStuck'>): void {
    const { inHand, held: heldKeys, reader, settler } = this.#parts
    const delay = head.dueAt === null ? null : Math.max(0, head.dueAt - performance.now())
    const { id, seq, lane, key, generation } = held
    inHand.beginParking(id)
    const attempt = { kind: 'park', id, lane, generation } as const
    const holdUntilBack = (dueAt: number | null, isStuck?: true): void => {
      const stuck = isStuck && { isStuck }
      if (key !== null) heldKeys.hold(lane, key, { id, seq, generation, dueAt, returned: true, ...stuck })
    }
    // The row of a head that is stuck says nothing of when it is due. This one comes back by itself, and until then holds the
    // key: the head may have gone by then, and a later one must not pass.
    const outcome: Outcome = head.isStuck ? { ...attempt, delay: STUCK_AGAIN } : { ...attempt, delay, behind: head.id }
    if (head.isStuck) holdUntilBack(performance.now() + STUCK_AGAIN)
    let isStuck = false
    const settled = (how: Settled): void => {
      if (how === 'refused') this.#shelve(held, true)
      else if (isStuck && how === 'recorded') holdUntilBack(performance.now())
      else if (isStuck && key !== null) heldKeys.release(lane, key, id)
      this.#drop(held)
      if (how === 'recorded') {
        this.#tally.add(held, outcome)
        this.#announcements.announce(held, outcome, undefined)
        this.#dueAgain(outcome)
      }
      // Perhaps it is still in the hot index, and the cursor is beyond it.
      else if (how === 'lost') reader.rewindTo(lane, seq)
    }
    // Its parking is no longer waited for, so it holds its key itself: the head may come back before that.
    const onPutOff = (): void => {
      isStuck = true
      holdUntilBack(null, true)
      inHand.endParking(id)
    }
    settler.add(held, outcome, settled, { onPutOff, onLocked: () => inHand.waitForLock(id) })
  }

  /**
   * Its destination is down: out of memory for `delay` ms, at no cost. One with a key is stored as the head of its key
   * meanwhile, so that a later owner of the lane knows that the others wait.
   */
  defer(held: HeldEvent, delay: number, error: string, progress?: string): void {
    const { id, lane, generation, key, retryCount } = held
    const blocker = key === null ? undefined : this.#parts.held.blocker(lane, key, held.seq)
    if (blocker) {
      this.park(held, blocker)
      return
    }
    const inWork = held.sending || held.row.status === 'processing'
    if (key === null && !inWork && progress === undefined) {
      this.#record(held, { kind: 'park', id, lane, generation, delay }, () => undefined)
      return
    }
    const kept = progress === undefined ? {} : { progress }
    const outcome = { kind: 'retry', id, lane, generation, retryCount, delay, error, ...kept } as const
    this.#holdKey(held, outcome)
    this.#record(held, outcome, () => undefined)
  }

  /** Takes waiting events out of the buffer. */
  removeWhere(test: (held: HeldEvent) => boolean): readonly HeldEvent[] {
    return this.#parts.buffer.removeWhere(test)
  }

  /** Not sent after all: its row is as it was, and it is read again before any later event of its key. */
  giveBack(held: HeldEvent): void {
    const { buffer, reader, held: heldKeys, settler, inHand } = this.#parts
    const { id, seq, lane, generation, key, retryCount } = held
    if (key !== null) for (const follower of buffer.removeKey(key)) this.giveBack(follower)
    const gone = (): void => {
      this.#drop(held)
      reader.rewindTo(lane, seq)
    }
    if (!held.sending) {
      gone()
      return
    }
    if (key !== null) heldKeys.hold(lane, key, { id, seq, generation, dueAt: performance.now(), returned: true })
    const onLocked = (): void => inHand.waitForLock(id)
    settler.add(held, { kind: 'returned', id, lane, generation, retryCount }, gone, { onLocked })
  }

  giveBackAll(): void {
    this.giveBackWhere(() => true)
  }

  giveBackWhere(test: (held: HeldEvent) => boolean): void {
    for (const held of this.#parts.buffer.removeWhere(test)) this.giveBack(held)
  }

  /** Settled already, in one transaction with the handler's own writes. */
  recorded(held: HeldEvent): void {
    this.#drop(held)
    const { id, lane, generation } = held
    this.#tell(held, { kind: 'published', id, lane, generation }, undefined)
    this.#tally.tell(null)
  }

  #settle(held: HeldEvent, outcome: Outcome, error: unknown): void {
    if (holdsKey(outcome)) this.#holdKey(held, outcome)
    this.#record(held, outcome, () => this.#tell(held, outcome, error))
  }

  #record(held: HeldEvent, outcome: Outcome, recorded: () => void): void {
    const { settler, inHand, onLost } = this.#parts
    const settled = (how: Settled): void => {
      if (how === 'refused') this.#shelve(held, outcome.kind !== 'published')
      else if (how === 'lost') this.#tally.addLost()
      this.#drop(held)
      if (how === 'recorded') {
        recorded()
        this.#dueAgain(outcome)
      } else if (how === 'lost' && holdsKey(outcome)) onLost(held.lane)
    }
    // It holds no key, and is true whenever it is written: the lane can go on beside it.
    const isDelivered = outcome.kind === 'published'
    const onLocked = (): void => (isDelivered ? inHand.setAside(held.id) : inHand.waitForLock(held.id))
    settler.add(held, outcome, settled, { onLocked })
  }

  /** What was put off comes back by its time, whether anything else wakes this relay until then or not. */
  #dueAgain(outcome: Outcome): void {
    if ((outcome.kind === 'retry' || outcome.kind === 'park') && outcome.delay !== null)
      this.#parts.reader.dueIn(outcome.delay)
  }

  /** Its outcome cannot be recorded. Read again at once, it would be sent again and again. */
  #shelve(held: HeldEvent, holdsKey: boolean): void {
    const { id, seq, lane, key, generation } = held
    const until = performance.now() + SHELF_TIME
    this.#parts.inHand.shelve(held, until)
    if (holdsKey && key !== null)
      this.#parts.held.hold(lane, key, { id, seq, generation, dueAt: until, unrecorded: true })
  }

  /** Later events of the key wait for this one; those in the buffer are parked with it. */
  #holdKey(held: HeldEvent, outcome: Extract<Outcome, { kind: 'retry' | 'failed' }>): void {
    if (held.key === null) return
    const dueAt = outcome.kind === 'retry' ? performance.now() + outcome.delay : null
    const head = { id: held.id, seq: held.seq, generation: held.generation, dueAt }
    this.#parts.held.hold(held.lane, held.key, head)
    for (const follower of this.#parts.buffer.removeKey(held.key)) {
      if (follower.seq > held.seq) this.park(follower, head)
      else this.#parts.buffer.add(follower)
    }
  }

  #drop(held: HeldEvent): void {
    this.#parts.inHand.remove(held.id)
    this.#parts.onDropped(held)
  }

  #tell(held: HeldEvent, outcome: Outcome, error: unknown): void {
    if (outcome.kind === 'published') this.#published++
    this.#tally.add(held, outcome)
    this.#announcements.announce(held, outcome, error)
  }
}

function holdsKey(outcome: Outcome): outcome is Extract<Outcome, { kind: 'retry' | 'failed' }> {
  return outcome.kind === 'retry' || (outcome.kind === 'failed' && outcome.blocks)
}
