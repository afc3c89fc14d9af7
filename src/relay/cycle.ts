import type { SendResult } from '../backend/backend.ts'
import { checkHealth } from '../backend/check-health.ts'
import { describeError } from '../foundation/describe-error.ts'
import { Pause } from '../foundation/pause.ts'
import type { BreakerRow } from '../store/coordination-store.ts'
import type { ReadRow } from './bounded-fetch.ts'
import { Breaker, type BreakerState } from './breaker.ts'
import { Conclusion } from './conclusion.ts'
import type { CycleOptions } from './cycle-options.ts'
import { type HeldEvent, takeInHand } from './held-event.ts'
import { Idle } from './idle.ts'
import { InHand } from './in-hand.ts'
import type { Lane } from './lane.ts'
import { LaneReader } from './lane-reader.ts'
import { Lanes } from './lanes.ts'
import { judgeUnsent, type SendAnswer } from './outcomes.ts'
import { Pace } from './pace.ts'
import { Prober } from './prober.ts'
import { SendBuffer } from './send-buffer.ts'
import { SendRates } from './send-rates.ts'
import { SendTurns } from './send-turns.ts'
import { Sender } from './sender.ts'
import { tellSent } from './tell-sent.ts'
import { sendsOf, Traffic } from './traffic.ts'

/**
 * The life of the events of one backend in one worker, from the row to the settled row, in one file to be read from top to bottom:
 *
 *     fetch -> accept -> dispatch -> send -> conclude -> settle
 *
 * While one batch is sent the next is fetched and the previous settled. Nothing here asks who owns lanes: see `lanes`.
 */
export class Cycle {
  /** How lanes come and go. */
  readonly lanes: Lanes
  readonly #options: CycleOptions
  readonly #inHand: InHand
  readonly #buffer = new SendBuffer()
  readonly #pause = new Pause()
  readonly #pace = new Pace()
  readonly #reader: LaneReader
  readonly #sender: Sender
  readonly #breaker: Breaker
  readonly #prober = new Prober()
  readonly #traffic: Traffic
  readonly #conclusion: Conclusion
  readonly #idle: Idle
  readonly #turns: SendTurns
  readonly #rates: SendRates
  /** Events in memory at most: a rate lets the others wait in the table. */
  readonly #most: number
  /** Reads again when there is room for so many. */
  readonly #refill: number
  #full = false
  readonly #budget: { left: number }
  #stopping = false

  constructor(options: CycleOptions) {
    this.#options = options
    const { store, names, backend, batchSize, maxInHand } = options
    const lanes = new Map<number, Lane>()
    this.#inHand = new InHand(options.room)
    this.#turns = new SendTurns(sendsOf(options), backend, options.share, () => this.dispatch())
    this.#reader = new LaneReader(store.relay, names, lanes, this.#inHand, this.#pace, this.#pause)
    this.#idle = new Idle(options.waker, this.#pace, options)
    this.#breaker = new Breaker(store.coordination.breakers, options.name, options.breaker)
    const parts = { options, inHand: this.#inHand, buffer: this.#buffer, reader: this.#reader }
    const onClosed = (some: ReadonlySet<number>): void => this.#conclusion.giveBackIn(some)
    this.lanes = new Lanes({ ...parts, lanes, onClosed, onOpened: () => this.wake() })
    this.#conclusion = new Conclusion({ ...parts, lanes: this.lanes, onDropped: (held) => this.#dropped(held) })
    this.#rates = new SendRates({ ...options, store: store.coordination.rates }, () => this.#mayGo())
    this.#most = this.#rates.inMemory(maxInHand)
    this.#refill = Math.min(batchSize, this.#most < maxInHand ? Math.ceil(this.#most / 2) : batchSize)
    const spare = ({ destination }: HeldEvent): boolean => this.#rates.spare(destination)
    const sending = {
      ...{ store: store.relay, conclusion: this.#conclusion, turns: this.#turns, policy: options.failure, spare },
    }
    this.#sender = new Sender({ ...options, ...sending })
    this.#traffic = new Traffic(options, this.#conclusion, this.#rates)
    this.#budget = options.budget ?? { left: Number.POSITIVE_INFINITY }
  }

  get name(): string {
    return this.#options.name
  }

  get isProbing(): boolean {
    return this.#breaker.isProbing
  }

  /** Events whose delivery was recorded since the start. */
  get published(): number {
    return this.#conclusion.published
  }

  /** Works until `stop`; with `untilDry` until nothing is due, or the budget is spent. */
  async run(untilDry = false): Promise<void> {
    while (!this.#stopping) {
      this.#options.pulse.beat()
      try {
        if (this.#breaker.isOpen) {
          // Drains probe too: where no other worker runs, nothing else would.
          if (untilDry && this.#breaker.probeIn > 0) break
          await this.#probe()
          continue
        }
        const space = this.#space()
        if (space > 0 && this.#reader.hungry) {
          const fresh = await this.#fetch(space)
          if (fresh > 0 || this.#reader.hasForgotten) continue
        }
        if (untilDry && (this.#budget.left <= 0 || this.#reader.isDrained) && this.#inHand.size === 0) break
        await this.#rest(untilDry)
      } catch (error) {
        if (untilDry) {
          await this.#finish()
          throw error
        }
        this.#options.onError(error)
        await this.#pause.sleep(500)
      }
    }
    await this.#finish()
  }

  /** Reads due events and takes them in hand. */
  async #fetch(space: number): Promise<number> {
    const fresh = await this.#reader.read(space, (row, suspect) => this.#accept(row, suspect))
    if (fresh > 0) {
      this.#idle.end(this)
      this.dispatch()
    }
    return fresh
  }

  #accept(row: ReadRow, suspect: boolean): void {
    const lane = this.lanes.get(row.lane)
    // A drain leaves what is over its budget to the next one.
    if (lane === undefined || this.#budget.left <= 0) return
    if (!lane.keys.expects(row, performance.now())) {
      this.lanes.lookAgain(lane)
      return
    }
    this.#budget.left--
    const apart = this.#sender.hasHung(row.id) || this.#prober.blames(row.id)
    const held = takeInHand(row, lane, suspect, apart, this.#traffic)
    this.#inHand.add(held)
    const blocker = lane.keys.admit(held)
    const unsent = judgeUnsent(held, row, this.#options.failure)
    if (blocker) {
      this.#conclusion.park(held, blocker)
      this.#traffic.follow(held)
      this.lanes.doubt(lane, blocker.dueAt)
    } else if (unsent) this.#conclusion.conclude(held, unsent)
    else if (this.#traffic.admit(held)) this.#buffer.add(held)
  }

  /** Starts sends while there is something to send, room in the pipeline, and lease enough. */
  dispatch(): void {
    while (this.#mayDispatch()) {
      if (!this.#turns.begin()) return void this.#rates.keep()
      const batch = this.#traffic.take(this.#buffer)
      // All that wait are of keys whose last run is not acknowledged yet, or of destinations that have no room.
      if (batch.length === 0) {
        this.#turns.end()
        // Permits may have lapsed just now.
        return void this.#traffic.mayBegin(this.#buffer, this.#turns.free)
      }
      this.#turns.charge(batch.length)
      void this.#send(batch)
    }
  }

  /** Asks for a slot last of all: a rate lets nobody else wait. */
  #mayDispatch(): boolean {
    const { lease, timeout } = this.#options
    const mayGo = this.#buffer.size > 0 && !this.#breaker.isOpen && lease.allows(timeout)
    return mayGo && this.#turns.free > 0 && this.#traffic.mayBegin(this.#buffer, this.#turns.free)
  }

  /** A rate lets something go. */
  #mayGo(): void {
    this.dispatch()
    // A probe waits for it.
    if (this.#breaker.isOpen) this.#pause.end()
  }

  /** Sends one batch, in a turn that has begun, and sees to each of its results. Never rejects. */
  async #send(batch: readonly HeldEvent[], probe = false): Promise<SendAnswer> {
    const { onError } = this.#options
    let answer: SendAnswer = 'unknown'
    try {
      if (!(await this.#traffic.begin(batch))) return answer
      const [start, state] = [performance.now(), this.#breaker.state]
      const isHalted = (): boolean => !probe && (this.#stopping || this.#breaker.isOpen)
      const { results, settled } = await this.#sender.send(batch, isHalted)
      tellSent(this.#options, results, performance.now() - start)
      answer = await this.#concludeAll(batch, results, settled, state, probe)
    } catch (error) {
      onError(error)
      for (const held of batch) this.#conclusion.giveBack(held)
    } finally {
      this.#turns.end()
      this.#traffic.end(batch)
      this.#buffer.done(batch)
      this.dispatch()
    }
    return answer
  }

  async #concludeAll(
    batch: readonly HeldEvent[],
    results: readonly (SendResult | undefined)[],
    settled: ReadonlySet<string>,
    state: BreakerState,
    probe: boolean,
  ): Promise<SendAnswer> {
    const { answer, outage } = await this.#traffic.conclude(batch, this.#prober.correct(batch, results), settled)
    if (outage === undefined) return answer
    const { error, retryAfter } = outage
    await this.#turns.aside(async () => {
      if (probe) await this.#breaker.probeFailed(describeError(error), retryAfter).catch(this.#options.onError)
      // A send from before the breaker last opened or closed says nothing about the present.
      else if (!this.#breaker.isOpen && state === this.#breaker.state) await this.#trip(error, retryAfter)
    })
    return answer
  }

  /** An event left the hand. */
  #dropped(held: HeldEvent): void {
    this.#traffic.leave(held)
    if (!this.#full || this.#space() < this.#refill) return
    this.#full = false
    this.#pause.end()
  }

  /** Nothing to read, or no room: waits for a wake-up, a finished send, the next due time, or the next poll. */
  async #rest(untilDry: boolean): Promise<void> {
    if (untilDry) return void (await this.#pause.sleep(5))
    if (this.#space() <= 0) {
      this.#full = true
      return void (await this.#pause.sleep(this.#options.pollInterval))
    }
    const sleep = await this.#idle.next(this)
    const untilDue = Math.max(1, this.#reader.nextDueAt - performance.now())
    const isWoken = sleep > 0 && (await this.#pause.sleep(Math.min(sleep, untilDue)))
    this.#reader.wake()
    // What was parked is due by its time and not by a call.
    if (!isWoken) this.#reader.sweepNext()
  }

  /** The breaker is open, or the backend paused: what was just read goes back; waits until a probe is due, goes on when it succeeds. */
  async #probe(): Promise<void> {
    this.#conclusion.giveBackAll()
    const isHeld = this.#breaker.probeIn <= 0 && !this.#traffic.mayProbe()
    await this.#pause.sleep(isHeld ? 250 : Math.min(250, this.#breaker.probeIn + 1))
    if (this.#stopping || !this.#breaker.isOpen || this.#breaker.probeIn > 0 || !this.#traffic.mayProbe()) return
    if (!(await this.#breaker.tryProbe(this.#options.timeout)) || !(await this.#isUp())) return
    const { name, worker, signals } = this.#options
    if (await this.#breaker.reset()) signals.emit('backend.up', { backend: name, worker })
    this.#resume()
  }

  /** Tries with one event, or by the health check when none waits, whether the backend is up again. */
  async #isUp(): Promise<boolean> {
    const { backend, timeout } = this.#options
    this.#reader.rewind()
    await this.#reader.read(CANDIDATES, (row, suspect) => this.#accept(row, suspect))
    const event = this.#prober.choose(this.#buffer)
    this.#rates.use(event?.destination, 1)
    this.#conclusion.giveBackAll()
    if (event === undefined) {
      const { healthy, detail } = await checkHealth(backend, timeout)
      if (!healthy) await this.#breaker.probeFailed(detail ?? 'not healthy', 0)
      return this.#prober.tried(undefined, healthy)
    }
    await this.#turns.wait()
    const isUp = (await this.#send([event], true)) === 'up'
    if (!isUp) this.#conclusion.giveBackAll()
    return this.#prober.tried(event.id, isUp)
  }

  /** The backend is down: everything not sent goes back, nothing is counted against any event. */
  async #trip(error: unknown, retryAfter: number): Promise<void> {
    const { signals, name, worker, onError } = this.#options
    const opening = this.#breaker.trip(describeError(error), retryAfter)
    this.#conclusion.giveBackAll()
    const opened = await opening.catch((failure: unknown) => onError(failure))
    if (opened !== false) signals.emit('backend.down', { backend: name, worker, error })
  }

  #resume(): void {
    this.#reader.rewind()
    this.wake()
  }

  /** What the survey says of the shared breaker. */
  observeBreaker(row: BreakerRow): void {
    const change = this.#breaker.observe(row)
    if (change === 'opened') this.#conclusion.giveBackAll()
    if (change === 'closed') this.#resume()
  }

  /** There may be something to read. */
  wake(): void {
    this.#pace.called()
    this.#idle.end(this)
    this.#reader.wake()
    this.dispatch()
    this.#pause.end()
  }

  stop(): void {
    this.#stopping = true
    this.#rates.stop()
    this.#conclusion.hurry()
    this.#pause.end()
  }

  async #finish(): Promise<void> {
    this.#rates.stop()
    await this.lanes.close()
    await this.#conclusion.idle()
  }

  #space(): number {
    return Math.min(this.#budget.left, this.#inHand.space(this.#most))
  }
}

/** Events read for a probe, of which one is sent: the oldest may be the very one that is refused. */
const CANDIDATES = 20
