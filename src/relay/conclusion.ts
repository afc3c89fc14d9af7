import type { Outcome } from '../store/relay-store.ts'
import { Announcements } from './announcements.ts'
import type { Head } from './blocked-keys.ts'
import type { CycleOptions } from './cycle-options.ts'
import { attemptOf, type HeldEvent } from './held-event.ts'
import type { InHand } from './in-hand.ts'
import type { LaneReader } from './lane-reader.ts'
import type { Lanes } from './lanes.ts'
import type { SendVerdict } from './outcomes.ts'
import type { SendBuffer } from './send-buffer.ts'
import { SettleTally } from './settle-tally.ts'
import { type Settled, type SettleEntry, Settler, type SettleWatch } from './settler.ts'

/** What a cycle shares with its conclusions. */
export interface ConclusionParts {
  readonly options: CycleOptions
  readonly inHand: InHand
  readonly buffer: SendBuffer
  readonly reader: LaneReader
  readonly lanes: Lanes
  /** An event left the hand: there is room for another. */
  readonly onDropped: (held: HeldEvent) => void
}

/** How long an event whose outcome the store refuses is left alone, in ms: then it is sent again. */
const SHELF_TIME = 600_000
/** What is behind one that cannot be parked yet is checked again after this long, in ms. */
const STUCK_AGAIN = 1_000

/** Ends an event's stay in memory: settled, parked behind its key's head, or given back. Announces what was recorded. */
export class Conclusion implements SettleWatch {
  readonly #parts: ConclusionParts
  readonly #settler: Settler
  readonly #announcements: Announcements
  readonly #tally: SettleTally
  /** Those who wait for events to be marked, by id. */
  readonly #marking = new Map<string, (isRecorded: boolean) => void>()
  #published = 0

  constructor(parts: ConclusionParts) {
    this.#parts = parts
    const { signals, records, name: backend, worker, store, lease, flow, onError, budget } = parts.options
    this.#settler = new Settler({ store: store.relay, lanes: parts.lanes, lease, watch: this, onError })
    if (budget !== undefined) this.#settler.end()
    this.#announcements = new Announcements({ signals, records, backend, worker })
    this.#tally = new SettleTally({ signals, backend, worker, flow })
  }

  /** Events whose delivery was recorded. */
  get published(): number {
    return this.#published
  }

  /** A store that does not answer keeps nobody waiting for longer than a lease from now on. */
  hurry(): void {
    this.#settler.end()
  }

  /** Resolves when all is recorded, and reported by signals. */
  async idle(): Promise<void> {
    await this.#settler.idle()
    await this.#announcements.idle()
  }

  conclude(held: HeldEvent, verdict: SendVerdict): void {
    const blocker = held.key === null ? undefined : held.lane.keys.blocker(held.key, held.seq)
    if (verdict.kind === 'settle') this.#end(held, verdict.outcome, verdict.error)
    else if (blocker && verdict.kind === 'not-attempted') this.park(held, blocker)
    else this.giveBack(held)
  }

  /** It cannot go now: out of the hot index until the head of its key is due. */
  park(held: HeldEvent, head: Pick<Head, 'id' | 'dueAt' | 'isStuck'>): void {
    const delay = head.dueAt === null ? null : Math.max(0, head.dueAt - performance.now())
    this.#parts.inHand.beginParking(held.id)
    const attempt = { kind: 'park', ...attemptOf(held) } as const
    // The row of a head that is stuck says nothing of when it is due. This one comes back by itself, and until then holds the
    // key: the head may have gone by then, and a later one must not pass.
    const outcome: Outcome = head.isStuck ? { ...attempt, delay: STUCK_AGAIN } : { ...attempt, delay, behind: head.id }
    if (head.isStuck) this.#holdUntilBack(held, performance.now() + STUCK_AGAIN)
    this.#settler.add({ held, outcome, purpose: 'park' })
  }

  #holdUntilBack({ id, seq, lane, key, generation }: HeldEvent, dueAt: number | null, isStuck?: true): void {
    const stuck = isStuck && { isStuck }
    if (key !== null) lane.keys.hold(key, { id, seq, generation, dueAt, returned: true, ...stuck })
  }

  /**
   * Its destination is down: out of memory for `delay` ms, at no cost. One with a key is stored as the head of its key
   * meanwhile, so that a later owner of the lane knows that the others wait.
   */
  defer(held: HeldEvent, delay: number, error: string, progress?: string): void {
    const { key, retryCount } = held
    const blocker = key === null ? undefined : held.lane.keys.blocker(key, held.seq)
    if (blocker) {
      this.park(held, blocker)
      return
    }
    const inWork = held.sending || held.row.status === 'processing'
    if (key === null && !inWork && progress === undefined) {
      this.#settler.add({ held, outcome: { kind: 'park', ...attemptOf(held), delay }, purpose: 'defer' })
      return
    }
    const kept = progress === undefined ? {} : { progress }
    const outcome = { kind: 'retry', ...attemptOf(held), retryCount, delay, error, ...kept } as const
    this.#holdKey(held, outcome)
    this.#settler.add({ held, outcome, purpose: 'defer' })
  }

  /** Crash suspicion: the store says `processing` before the backend sees the event. Resolves with the ids recorded. */
  async mark(events: readonly HeldEvent[], retryCount: number | undefined): Promise<ReadonlySet<string>> {
    const recorded = new Set<string>()
    const marking = events.map((held) => {
      const { promise, resolve } = Promise.withResolvers<boolean>()
      this.#marking.set(held.id, resolve)
      const outcome = { kind: 'sending', ...attemptOf(held), retryCount: retryCount ?? held.retryCount } as const
      this.#settler.add({ held, outcome, purpose: 'mark' })
      return promise.then((isRecorded) => isRecorded && recorded.add(held.id))
    })
    await Promise.all(marking)
    for (const held of events) held.sending = recorded.has(held.id)
    return recorded
  }

  /** Takes waiting events out of the buffer. */
  removeWhere(test: (held: HeldEvent) => boolean): readonly HeldEvent[] {
    return this.#parts.buffer.removeWhere(test)
  }

  /** Not sent after all: its row is as it was, and it is read again before any later event of its key. */
  giveBack(held: HeldEvent): void {
    const { key, retryCount } = held
    if (key !== null) for (const follower of this.#parts.buffer.removeKey(key)) this.giveBack(follower)
    if (!held.sending) {
      this.#leave(held)
      return
    }
    this.#holdUntilBack(held, performance.now())
    const outcome = { kind: 'returned', ...attemptOf(held), retryCount } as const
    this.#settler.add({ held, outcome, purpose: 'give-back' })
  }

  giveBackAll(): void {
    this.#giveBackWhere(() => true)
  }

  giveBackIn(lanes: ReadonlySet<number>): void {
    this.#giveBackWhere(({ lane }) => lanes.has(lane.number))
  }

  #giveBackWhere(test: (held: HeldEvent) => boolean): void {
    for (const held of this.#parts.buffer.removeWhere(test)) this.giveBack(held)
  }

  /** Settled already, in one transaction with the handler's own writes. */
  recorded(held: HeldEvent): void {
    this.#drop(held)
    this.#tell(held, { kind: 'published', ...attemptOf(held) }, undefined)
    this.#tally.tell(null)
  }

  putOff({ held, purpose }: SettleEntry): void {
    if (purpose !== 'park') return
    // Its parking is no longer waited for, so it holds its key itself: the head may come back before that.
    this.#holdUntilBack(held, null, true)
    this.#parts.inHand.endParking(held.id)
  }

  locked({ held, outcome, purpose }: SettleEntry): void {
    // What was delivered holds no key, and is true whenever it is written: the lane can go on beside it.
    if (purpose !== 'mark') this.#parts.inHand.waitForLock(held, outcome.kind === 'published')
  }

  settled(entry: SettleEntry, how: Settled): void {
    const { held, purpose } = entry
    if (purpose === 'mark') {
      this.#marking.get(held.id)?.(how === 'recorded')
      this.#marking.delete(held.id)
    } else if (purpose === 'give-back') this.#leave(held)
    else if (purpose === 'park') this.#parked(entry, how)
    else this.#ended(entry, how)
  }

  through(duration: number): void {
    this.#tally.tell(duration)
  }

  #parked({ held, outcome, failingSince }: SettleEntry, how: Settled): void {
    const wasPutOff = failingSince !== undefined
    if (how === 'refused') this.#shelve(held, true)
    else if (wasPutOff && how === 'recorded') this.#holdUntilBack(held, performance.now())
    else if (wasPutOff && held.key !== null) held.lane.keys.release(held.key, held.id)
    // Lost: perhaps it is still in the hot index, and the cursor is beyond it.
    if (how === 'lost') this.#leave(held)
    else this.#drop(held)
    if (how !== 'recorded') return
    this.#tally.add(held, outcome)
    this.#announcements.announce(held, outcome, undefined)
    this.#dueAgain(outcome)
  }

  #ended({ held, outcome, purpose, error }: SettleEntry, how: Settled): void {
    if (how === 'refused') this.#shelve(held, outcome.kind !== 'published')
    else if (how === 'lost') this.#tally.addLost()
    this.#drop(held)
    if (how === 'recorded') {
      if (purpose === 'end') this.#tell(held, outcome, error)
      this.#dueAgain(outcome)
    } else if (how === 'lost' && holdsKey(outcome)) {
      // What holds the keys of its lane is not what we think.
      this.#parts.lanes.lookAgain(held.lane)
    }
  }

  #end(held: HeldEvent, outcome: Outcome, error: unknown): void {
    if (holdsKey(outcome)) this.#holdKey(held, outcome)
    this.#settler.add({ held, outcome, purpose: 'end', error })
  }

  /** What was put off comes back by its time, whether anything else wakes this relay until then or not. */
  #dueAgain(outcome: Outcome): void {
    if ((outcome.kind === 'retry' || outcome.kind === 'park') && outcome.delay !== null)
      this.#parts.reader.dueIn(outcome.delay)
  }

  /** Its outcome cannot be recorded. Read again at once, it would be sent again and again. */
  #shelve({ id, seq, lane, key, generation }: HeldEvent, holdsKey: boolean): void {
    const until = performance.now() + SHELF_TIME
    lane.hand.shelve(id, generation, until)
    if (holdsKey && key !== null) lane.keys.hold(key, { id, seq, generation, dueAt: until, unrecorded: true })
  }

  /** Later events of the key wait for this one; those in the buffer are parked with it. */
  #holdKey(held: HeldEvent, outcome: Extract<Outcome, { kind: 'retry' | 'failed' }>): void {
    if (held.key === null) return
    const dueAt = outcome.kind === 'retry' ? performance.now() + outcome.delay : null
    const head = { id: held.id, seq: held.seq, generation: held.generation, dueAt }
    held.lane.keys.hold(held.key, head)
    for (const follower of this.#parts.buffer.removeKey(held.key)) {
      if (follower.seq > held.seq) this.park(follower, head)
      else this.#parts.buffer.add(follower)
    }
  }

  #leave(held: HeldEvent): void {
    this.#drop(held)
    this.#parts.reader.rewindTo(held.lane, held.seq)
  }

  #drop(held: HeldEvent): void {
    this.#parts.inHand.remove(held)
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
