import type { Outcome } from '../store/relay-store.ts'
import { Announcements } from './announcements.ts'
import type { CycleOptions } from './cycle-options.ts'
import type { HeldKeys } from './held-keys.ts'
import type { HeldEvent, InHand } from './in-hand.ts'
import type { LaneReader } from './lane-reader.ts'
import type { Verdict } from './outcomes.ts'
import type { SendBuffer } from './send-buffer.ts'
import type { Settler } from './settler.ts'

/** What a cycle shares with its conclusions. */
export interface ConclusionParts {
  readonly options: CycleOptions
  readonly inHand: InHand
  readonly buffer: SendBuffer
  readonly held: HeldKeys
  readonly reader: LaneReader
  readonly settler: Settler
  /** An event left the hand: there is room for another. */
  readonly onDropped: () => void
  /** A retry or failure was not ours to record: what holds the keys of its lane is not what we think. */
  readonly onLost: (lane: number) => void
}

/** How long an event whose outcome the store refuses is left alone, in ms: then it is sent again. */
const SHELF_TIME = 600_000

/** Ends an event's stay in memory: settled, parked behind its key's head, or given back. Announces what was recorded. */
export class Conclusion {
  readonly #parts: ConclusionParts
  readonly #announcements: Announcements
  #published = 0

  constructor(parts: ConclusionParts) {
    this.#parts = parts
    const { signals, records, name: backend, worker } = parts.options
    this.#announcements = new Announcements({ signals, records, backend, worker })
  }

  /** Resolves when all that was recorded is told by signals. */
  announced(): Promise<void> {
    return this.#announcements.idle()
  }

  /** Events whose delivery was recorded. */
  get published(): number {
    return this.#published
  }

  conclude(held: HeldEvent, verdict: Verdict): void {
    const blocker = held.key === null ? undefined : this.#parts.held.blocker(held.lane, held.key, held.seq)
    if (verdict.kind === 'settle') this.#settle(held, verdict.outcome, verdict.error)
    else if (blocker && verdict.kind === 'not-attempted') this.park(held, blocker)
    else this.giveBack(held)
  }

  /** It cannot go now: out of the hot index until the head of its key is due. */
  park(held: HeldEvent, head: { readonly id: string; readonly dueAt: number | null }): void {
    const delay = head.dueAt === null ? null : Math.max(0, head.dueAt - performance.now())
    const { id, lane, generation } = held
    this.#parts.inHand.beginParking(id)
    const outcome: Outcome = { kind: 'park', id, lane, generation, delay, behind: head.id }
    this.#parts.settler.add(held, outcome, (how) => {
      if (how === 'refused') this.#shelve(held, true)
      this.#drop(held)
      if (how === 'recorded') this.#announcements.announce(held, outcome, undefined)
    })
  }

  /**
   * Where it goes is away: out of memory for `delay` ms, at no cost. One with a key stands in the store as the head of its key
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
    const { buffer, reader, held: heldKeys, settler } = this.#parts
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
    settler.add(held, { kind: 'returned', id, lane, generation, retryCount }, gone)
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
  }

  #settle(held: HeldEvent, outcome: Outcome, error: unknown): void {
    if (holdsKey(outcome)) this.#holdKey(held, outcome)
    this.#record(held, outcome, () => this.#tell(held, outcome, error))
  }

  #record(held: HeldEvent, outcome: Outcome, recorded: () => void): void {
    this.#parts.settler.add(held, outcome, (how) => {
      if (how === 'refused') this.#shelve(held, outcome.kind !== 'published')
      this.#drop(held)
      if (how === 'recorded') recorded()
      else if (how === 'lost' && holdsKey(outcome)) this.#parts.onLost(held.lane)
    })
  }

  /** What became of it cannot be recorded. Read again at once, it would be sent again and again. */
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
    this.#parts.onDropped()
  }

  #tell(held: HeldEvent, outcome: Outcome, error: unknown): void {
    if (outcome.kind === 'published') this.#published++
    this.#announcements.announce(held, outcome, error)
  }
}

function holdsKey(outcome: Outcome): outcome is Extract<Outcome, { kind: 'retry' | 'failed' }> {
  return outcome.kind === 'retry' || (outcome.kind === 'failed' && outcome.blocks)
}
