import type { CoordinationStore, LaneRow, Survey } from '../store/coordination-store.ts'
import type { Cycle } from './cycle.ts'
import type { Lane, QuietAnswer } from './lane.ts'
import type { Lanes } from './lanes.ts'

export interface AttendantParts {
  readonly store: Pick<CoordinationStore, 'quiet'>
  readonly cycles: ReadonlyMap<string, Cycle>
  readonly onError: (error: unknown) => void
}

/** After a hold has ended, more moves may follow, in ms. */
const MOMENT = 2_000

/** Sees to what others do to this worker's lanes: an operator who holds one, changes by hand, another owner. */
export class Attendant {
  readonly #parts: AttendantParts
  #heldAt = Number.NEGATIVE_INFINITY
  /** Lanes to be answered for in the next statement. */
  #batch: { readonly rows: LaneRow[]; readonly answer: Promise<readonly LaneRow[]> } | undefined

  constructor(parts: AttendantParts) {
    this.#parts = parts
  }

  /** An operator holds a lane of ours, or did a moment ago. */
  get isBusy(): boolean {
    return performance.now() - this.#heldAt < MOMENT
  }

  /**
   * Lanes that an operator holds become quiet, those that one touched are read afresh, and those not ours are let go. A lane
   * under whose fence a statement may still run gets a new one in the way of an answer to a hold.
   */
  attend(survey: Survey, workerId: string): void {
    for (const [backend, { lanes }] of this.#parts.cycles) {
      const rows = survey.lanes.filter((row) => row.backend === backend)
      this.#attend(rows, lanes, workerId)
    }
  }

  #attend(rows: readonly LaneRow[], lanes: Lanes, workerId: string): void {
    const touched: Lane[] = []
    const lifted: Lane[] = []
    const held: Lane[] = []
    for (const row of rows) {
      const lane = lanes.get(row.lane)
      if (lane === undefined || !lane.isKept) continue
      // Nobody waits for the answer any more: what it waits for itself, a locked row, keeps the lane shut no longer.
      const isInVain = lane.answer?.isForHold && lane.answer.isWaiting && !isHeld(row)
      if (lane.answer !== undefined && !isInVain) continue
      lane.answer = undefined
      const known = lane.row
      const isAnswered = lane.answeredUnder === known.fence && row.fence === known.fence + 1
      if (row.owner !== workerId || (row.fence !== known.fence && !isAnswered)) {
        void lanes.lose([lane]).catch(this.#parts.onError)
        continue
      }
      lane.row = row
      if (isAnswered) lanes.refence(lane, row.fence)
      if (row.holdLeft !== null) this.#heldAt = performance.now()
      const isToAnswer = row.holdLeft !== null && (row.holdLeft <= 0 || row.hold > row.quietFor)
      if (isToAnswer || lane.isDistrusted) held.push(lane)
      else if (row.holdLeft !== null) continue
      else if (isAnswered || known.holdLeft !== null) lifted.push(lane)
      else if (row.attention !== known.attention) touched.push(lane)
    }
    const answering = Promise.all(held.map((lane) => this.#answer(lane, lanes, workerId)))
    for (const work of [lanes.touch(touched), lanes.resume(lifted), answering]) work.catch(this.#parts.onError)
  }

  /** Becomes quiet in a held lane, as soon as none of its events is in hand, and says so. */
  async #answer(lane: Lane, lanes: Lanes, workerId: string): Promise<void> {
    const { row } = lane
    const answer: QuietAnswer = { isForHold: isHeld(row), isWaiting: true }
    const isOver = (): boolean => lane.answer !== answer
    lane.answer = answer
    try {
      // A new fence changes nothing for what was delivered.
      const quiet = await lanes.hush([lane], answer.isForHold ? 'nothing' : 'delivered')
      if (quiet.length === 0 || isOver()) return
      answer.isWaiting = false
      lane.answeredUnder = row.fence
      // Which hold was answered is left as it is where none is: the operator may still move it.
      const now = await this.#quiet(answer.isForHold ? row : { ...row, hold: 0 }, workerId)
      if (now === undefined || isOver()) return
      lane.answeredUnder = undefined
      lane.row = now
      lanes.refence(lane, now.fence)
      if (now.holdLeft === null) await lanes.resume([lane])
    } catch (error) {
      if (!isOver()) lanes.distrust([lane])
      throw error
    } finally {
      if (!isOver()) lane.answer = undefined
    }
  }

  /** Lanes that become quiet at one moment are answered for in one statement. */
  async #quiet(row: LaneRow, workerId: string): Promise<LaneRow | undefined> {
    const batch = this.#batch ?? this.#newBatch(workerId)
    this.#batch = batch
    batch.rows.push(row)
    return (await batch.answer).find(({ backend, lane }) => backend === row.backend && lane === row.lane)
  }

  #newBatch(workerId: string) {
    const rows: LaneRow[] = []
    const answer = new Promise((resolve) => setImmediate(resolve)).then(() => {
      this.#batch = undefined
      return this.#parts.store.quiet(workerId, rows)
    })
    return { rows, answer }
  }
}

/** An operator waits until the lane is quiet. */
function isHeld({ holdLeft }: LaneRow): boolean {
  return holdLeft !== null && holdLeft > 0
}
