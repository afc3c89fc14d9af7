import type { CoordinationStore, LaneRow, Survey } from '../store/coordination-store.ts'
import type { Cycle } from './cycle.ts'
import type { Lane } from './lane.ts'

export interface AttendantParts {
  readonly store: Pick<CoordinationStore, 'quiet'>
  readonly cycles: ReadonlyMap<string, Cycle>
  /** This worker's lanes, by `keyOf`, as they were last seen. */
  readonly owned: Map<string, LaneRow>
  readonly onError: (error: unknown) => void
}

/** After a hold has ended, more moves may follow, in ms. */
const MOMENT = 2_000

/** A lane becomes quiet, and then says so. */
interface Answer {
  /** What is locked is waited for too: an operator is told the outcome of all that was sent. */
  readonly isForHold: boolean
  /** It waits for what is in hand; the store was not told anything yet. */
  isWaiting: boolean
}

/** Sees to what others do to this worker's lanes: an operator who holds one, changes by hand, another owner. */
export class Attendant {
  readonly #parts: AttendantParts
  /** Lanes about to be answered for. Another map: the earlier lanes were given up. */
  #answering = new Map<string, Answer>()
  /** The fence under which `quiet` was last asked for a lane, without an answer: it may have run, or run yet. */
  readonly #asked = new Map<string, number>()
  #heldAt = Number.NEGATIVE_INFINITY
  /** Lanes to be answered for in the next statement. */
  #batch: { readonly lanes: LaneRow[]; readonly answer: Promise<readonly LaneRow[]> } | undefined

  constructor(parts: AttendantParts) {
    this.#parts = parts
  }

  /** An operator holds a lane of ours, or did a moment ago. */
  get isBusy(): boolean {
    return performance.now() - this.#heldAt < MOMENT
  }

  isAnswering(lane: LaneRow): boolean {
    return this.#answering.has(keyOf(lane))
  }

  /** All lanes were given up. */
  forget(): void {
    this.#answering = new Map()
  }

  /**
   * Lanes that an operator holds become quiet, those that one touched are read afresh, and those not ours are let go. A lane
   * under whose fence a statement may still run gets a new one in the way of an answer to a hold.
   */
  attend(survey: Survey, workerId: string, leaving: ReadonlyMap<string, unknown>): void {
    const { cycles, owned, onError } = this.#parts
    const touched: LaneRow[] = []
    const lifted: LaneRow[] = []
    const held: LaneRow[] = []
    for (const lane of survey.lanes) {
      const key = keyOf(lane)
      const known = owned.get(key)
      if (known === undefined || leaving.has(key)) continue
      const answer = this.#answering.get(key)
      // Nobody waits for the answer any more: what it waits for itself, a locked row, keeps the lane shut no longer.
      const isInVain = answer?.isForHold && answer.isWaiting && !isHeld(lane)
      if (answer !== undefined && !isInVain) continue
      this.#answering.delete(key)
      const lanes = cycles.get(lane.backend)?.lanes
      const ours = lanes?.get(lane.lane)
      const isAnswered = this.#asked.get(key) === known.fence && lane.fence === known.fence + 1
      if (lane.owner !== workerId || (lane.fence !== known.fence && !isAnswered)) {
        owned.delete(key)
        if (ours) void lanes?.drain([ours]).catch(onError)
        continue
      }
      owned.set(key, lane)
      if (isAnswered && ours) lanes?.refence(ours, lane.fence)
      if (lane.holdLeft !== null) this.#heldAt = performance.now()
      const isToAnswer = lane.holdLeft !== null && (lane.holdLeft <= 0 || lane.hold > lane.quietFor)
      if (isToAnswer || ours?.isDistrusted) held.push(lane)
      else if (lane.holdLeft !== null) continue
      else if (isAnswered || known.holdLeft !== null) lifted.push(lane)
      else if (lane.attention !== known.attention) touched.push(lane)
    }
    this.#eachCycle(touched, (lanes, cycle) => cycle.lanes.reconcile(oursOf(lanes, cycle)))
    this.#eachCycle(lifted, (lanes, cycle) => cycle.lanes.resume(oursOf(lanes, cycle)))
    this.#eachCycle(held, async (lanes, cycle) => {
      await Promise.all(lanes.map((lane) => this.#answer(lane, cycle, workerId)))
    })
  }

  #eachCycle(lanes: readonly LaneRow[], work: (lanes: readonly LaneRow[], cycle: Cycle) => Promise<void>): void {
    for (const [backend, some] of Map.groupBy(lanes, (lane) => lane.backend)) {
      const cycle = this.#parts.cycles.get(backend)
      if (cycle) void work(some, cycle).catch(this.#parts.onError)
    }
  }

  /** Becomes quiet in a held lane, as soon as none of its events is in hand, and says so. */
  async #answer(lane: LaneRow, cycle: Cycle, workerId: string): Promise<void> {
    const { owned } = this.#parts
    const ours = cycle.lanes.get(lane.lane)
    if (ours === undefined) return
    const answering = this.#answering
    const answer: Answer = { isForHold: isHeld(lane), isWaiting: true }
    const isOver = (): boolean => this.#answering.get(keyOf(lane)) !== answer
    answering.set(keyOf(lane), answer)
    try {
      // A new fence changes nothing for what was delivered.
      const quiet = await cycle.lanes.hush([ours], answer.isForHold ? 'nothing' : 'delivered')
      if (quiet.length === 0 || isOver()) return
      answer.isWaiting = false
      this.#asked.set(keyOf(lane), lane.fence)
      // Which hold was answered is left as it is where none is: the operator may still move it.
      const now = await this.#quiet(answer.isForHold ? lane : { ...lane, hold: 0 }, workerId)
      if (now === undefined || isOver()) return
      this.#asked.delete(keyOf(lane))
      owned.set(keyOf(now), now)
      cycle.lanes.refence(ours, now.fence)
      if (now.holdLeft === null) await cycle.lanes.resume([ours])
    } catch (error) {
      if (!isOver()) cycle.lanes.distrust([ours])
      throw error
    } finally {
      if (answering.get(keyOf(lane)) === answer) answering.delete(keyOf(lane))
    }
  }

  /** Lanes that become quiet at one moment are answered for in one statement. */
  async #quiet(lane: LaneRow, workerId: string): Promise<LaneRow | undefined> {
    const batch = this.#batch ?? this.#newBatch(workerId)
    this.#batch = batch
    batch.lanes.push(lane)
    return (await batch.answer).find((each) => keyOf(each) === keyOf(lane))
  }

  #newBatch(workerId: string) {
    const lanes: LaneRow[] = []
    const answer = new Promise((resolve) => setImmediate(resolve)).then(() => {
      this.#batch = undefined
      return this.#parts.store.quiet(workerId, lanes)
    })
    return { lanes, answer }
  }
}

function oursOf(lanes: readonly LaneRow[], cycle: Cycle): readonly Lane[] {
  return lanes.map(({ lane }) => cycle.lanes.get(lane)).filter((lane) => lane !== undefined)
}

/** An operator waits until the lane is quiet. */
function isHeld({ holdLeft }: LaneRow): boolean {
  return holdLeft !== null && holdLeft > 0
}

/** A lane of a backend as the key of a map. */
export function keyOf(lane: Pick<LaneRow, 'backend' | 'lane'>): string {
  return `${lane.backend}\n${lane.lane}`
}
