import type { LaneRow } from '../store/coordination-store.ts'
import type { Ownership } from '../store/relay-store.ts'
import { BlockedKeys } from './blocked-keys.ts'
import type { LaneHand } from './lane-hand.ts'
import { LanePosition } from './lane-position.ts'

/**
 * What is done with a lane just now. `reconciling`: what holds its keys is looked up; `open`: it is read; `quiet`: an operator holds it,
 * or it is to have a new fence; `draining`: what is in flight ends, and it is given back once it is `drained`; `lost`: it may be
 * another's already, and what is in flight ends. What was begun in a phase and still waits has no say any more once the lane is in
 * another.
 */
export interface LanePhase {
  readonly kind: 'reconciling' | 'open' | 'quiet' | 'draining' | 'drained' | 'lost'
}

/** An operator, or a fence that is not to be trusted any more, waits for a lane to be quiet. */
export interface QuietAnswer {
  /** What is locked is waited for too: an operator is told the outcome of all that was sent. */
  readonly isForHold: boolean
  /** It waits for what is in hand; the store was not told anything yet. */
  isWaiting: boolean
}

/**
 * After the answer that it waits for, a lane that operators change is read for this many times as long as that took: a change a
 * second among 200,000 failed events kept all lanes closed, since each look took longer and the next one began in its place.
 */
const REST = 3

/**
 * One ownership of a lane, from its gain to its end: all that the worker knows of it. What comes in late for a lane that is not the one
 * under its number any more is out of date.
 */
export class Lane {
  readonly number: number
  /** As it was last seen in the store. */
  row: LaneRow
  /** Keys of which an earlier event makes the later ones wait. */
  readonly keys: BlockedKeys
  /** What is in flight, or waits to be sent or settled. */
  readonly hand: LaneHand
  /** The proof that it is ours, with its fence. */
  ownership: Ownership
  /** Its last owner died: what that one had in flight is suspect, until the lane is read. */
  isUnclean: boolean
  /** A statement may still run under its fence, nobody knows when: it is not read before it has a new one. */
  isDistrusted = false
  /** What is told to the store about it just now. */
  answer: QuietAnswer | undefined
  /** The fence under which such an answer was last given, without a word in return: it may have been written, or be yet. */
  answeredUnder: number | undefined
  /** It is being looked up again what holds its keys. */
  isDoubted = false
  /** Monotonic time at which it was last reconciled, in ms. */
  reconciledAt = 0
  /** Monotonic time until which it is read, whatever operators change meanwhile, in ms. */
  restsUntil = 0
  /** An operator changed something since the store was asked. */
  isTouched = false
  #phase: LanePhase = { kind: 'reconciling' }
  #position: LanePosition | undefined

  /** `keys`: those of an ownership that has not quite ended, of which the store may not know everything. */
  constructor(
    row: LaneRow,
    ownership: Ownership,
    hand: LaneHand,
    isUnclean: boolean,
    keys: BlockedKeys = new BlockedKeys(),
  ) {
    this.number = row.lane
    this.row = row
    this.ownership = ownership
    this.hand = hand
    this.isUnclean = isUnclean
    this.keys = keys
  }

  get fence(): number {
    return this.ownership.fences.get(this.number) ?? 0
  }

  get phase(): LanePhase {
    return this.#phase
  }

  /** How far it was read; undefined = it is not open. */
  get position(): LanePosition | undefined {
    return this.#position
  }

  /** It is to stay with this worker. */
  get isKept(): boolean {
    const { kind } = this.#phase
    return kind === 'reconciling' || kind === 'open' || kind === 'quiet'
  }

  /** What operators change is looked at later: it is being looked at, or was a moment ago. */
  get isResting(): boolean {
    const { kind } = this.#phase
    return kind === 'reconciling' || (kind === 'open' && performance.now() < this.restsUntil)
  }

  /** It was looked at, which took so long, in ms. */
  rest(now: number, took: number): void {
    this.restsUntil = now + REST * took
  }

  /** It is not read from here on. */
  enter(phase: LanePhase): void {
    this.#phase = phase
    this.#position = undefined
  }

  /** Reads it from the head. At most `suspects` of its events can have been in flight when its last owner died. */
  open(suspects: number): void {
    this.#phase = { kind: 'open' }
    this.#position = new LanePosition(this.isUnclean ? suspects : 0)
    this.isUnclean = false
  }
}
