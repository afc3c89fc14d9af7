import type { SendResult } from '../backend/backend.ts'
import { OutboxEvent } from '../record/outbox-event.ts'
import type { BreakerRow, Lane } from '../store/coordination-store.ts'
import type { FetchedRow, Ownership } from '../store/relay-store.ts'
import { Breaker } from './breaker.ts'
import { Conclusion } from './conclusion.ts'
import type { CycleOptions } from './cycle-options.ts'
import { HeldKeys } from './held-keys.ts'
import { type HeldEvent, InHand } from './in-hand.ts'
import { LaneReader } from './lane-reader.ts'
import { describeError, judge, judgeWorkerKiller, type Verdict } from './outcomes.ts'
import { Pause } from './pause.ts'
import { SendBuffer } from './send-buffer.ts'
import { Sender } from './sender.ts'
import { Settler } from './settler.ts'

/** A retry that has not come back this long after it was due, in ms, is looked up in the store. */
const OVERDUE = 5_000

/** What a send says of the backend; `unknown`: nothing was handed over. */
type Answer = 'up' | 'down' | 'unknown'

/**
 * The life of the events of one backend in one worker, from the row to the settled row:
 *
 *     fetch -> accept -> dispatch -> send -> conclude -> settle
 *
 * While one batch is sent the next is fetched and the previous settled. Lanes come and go by `gain`, `drain` and
 * `lose`; nothing here asks who owns them.
 */
export class Cycle {
  readonly #options: CycleOptions
  readonly #inHand = new InHand()
  readonly #buffer = new SendBuffer()
  readonly #held = new HeldKeys()
  readonly #pause = new Pause()
  readonly #reader: LaneReader
  readonly #settler: Settler
  readonly #sender: Sender
  readonly #breaker: Breaker
  readonly #conclusion: Conclusion
  readonly #ownerships = new Map<number, Ownership>()
  #sending = 0
  #full = false
  readonly #reconciling = new Set<number>()
  #resetAt = 0
  #idleRounds = 0
  readonly #budget: { left: number }
  #stopping = false

  constructor(options: CycleOptions) {
    this.#options = options
    const { store, names, backend, lease, failure, timeout, onError } = options
    this.#reader = new LaneReader(store.relay, names, this.#inHand)
    this.#settler = new Settler(store.relay, onError, () => this.#stopping && lease.left <= 0)
    this.#sender = new Sender({
      backend,
      lease,
      store: store.relay,
      settler: this.#settler,
      policy: failure,
      timeout,
      onError,
    })
    this.#breaker = new Breaker(store.coordination.breakers, options.name, options.breaker)
    this.#conclusion = new Conclusion({
      options,
      inHand: this.#inHand,
      buffer: this.#buffer,
      held: this.#held,
      reader: this.#reader,
      settler: this.#settler,
      onDropped: () => this.#dropped(),
    })
    this.#budget = options.budget ?? { left: Number.POSITIVE_INFINITY }
  }

  get name(): string {
    return this.#options.name
  }

  get breakerIsOpen(): boolean {
    return this.#breaker.isOpen
  }

  /** Events whose delivery was recorded since the start. */
  get published(): number {
    return this.#conclusion.published
  }

  /** Works until `stop`; with `untilDry` until nothing is due, or the budget is spent. */
  async run(untilDry = false): Promise<void> {
    while (!this.#stopping) {
      try {
        if (this.#breaker.isOpen) {
          if (untilDry) break
          await this.#probe()
          continue
        }
        const space = this.#space()
        if (space > 0 && this.#reader.hungry) {
          const fresh = await this.#fetch(space)
          if (fresh > 0) continue
        }
        if (untilDry && this.#isDone()) break
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
      this.#idleRounds = 0
      this.#options.waker.busy(this)
      this.#dispatch()
    }
    return fresh
  }

  #accept(row: FetchedRow, suspect: boolean): void {
    const ownership = this.#ownerships.get(row.lane)
    // A drain leaves what is over its budget to the next one.
    if (ownership === undefined || this.#budget.left <= 0) return
    this.#budget.left--
    const event = new OutboxEvent(row, this.#options.records)
    const alone = row.status === 'processing'
    const held: HeldEvent = {
      id: row.id,
      seq: row.seq,
      lane: row.lane,
      key: row.partitionKey,
      retryCount: row.retryCount,
      maxRetries: row.maxRetries,
      event,
      ownership,
      marked: suspect || alone,
      alone,
    }
    this.#inHand.add(held.id, held.lane)
    if (held.key !== null) this.#held.release(held.lane, held.key, held.id)
    const blocker = held.key === null ? undefined : this.#held.blocker(held.lane, held.key, held.seq)
    if (blocker) {
      this.#conclusion.park(held, blocker)
      this.#doubt(held.lane, blocker.dueAt)
    } else if (alone && held.retryCount >= Math.max(1, held.maxRetries))
      this.#conclusion.conclude(held, judgeWorkerKiller(held, this.#options.failure))
    else this.#buffer.add(held)
  }

  /** A head that did not come back when it was due was changed by hand: ask the store what holds the lane's keys. */
  #doubt(lane: number, dueAt: number | null): void {
    if (dueAt === null || performance.now() < dueAt + OVERDUE || this.#reconciling.has(lane)) return
    this.#reconciling.add(lane)
    void this.reconcile([lane])
      .catch(this.#options.onError)
      .finally(() => this.#reconciling.delete(lane))
  }

  /** Starts sends while there is something to send and room in the pipeline. */
  #dispatch(): void {
    const { concurrency, batchSize, backend, lease, timeout } = this.#options
    while (this.#sending < concurrency && !this.#breaker.isOpen && lease.allows(timeout)) {
      const batch = this.#buffer.take(batchSize, backend.capabilities?.ordersWithinSend === true)
      if (batch.length === 0) return
      void this.#send(batch)
    }
  }

  /** Sends one batch and sees to each of its results. Never rejects. */
  async #send(batch: readonly HeldEvent[], probe = false): Promise<Answer> {
    const { signals, worker, name, onError } = this.#options
    this.#sending++
    let answer: Answer = 'unknown'
    try {
      const start = performance.now()
      const { results, settled } = await this.#sender.send(batch)
      const delivered = results.filter((result) => result.ok).length
      const duration = performance.now() - start
      signals.emit('batch.sent', { backend: name, worker, sent: batch.length, delivered, duration })
      answer = await this.#concludeAll(batch, results, settled, start, probe)
    } catch (error) {
      onError(error)
      for (const held of batch) this.#conclusion.giveBack(held)
    } finally {
      this.#sending--
      this.#buffer.done(batch)
      this.#dispatch()
    }
    return answer
  }

  async #concludeAll(
    batch: readonly HeldEvent[],
    results: readonly SendResult[],
    settled: ReadonlySet<string>,
    sentAt: number,
    probe: boolean,
  ): Promise<Answer> {
    let answer: Answer = 'unknown'
    let outage: Extract<Verdict, { kind: 'outage' }> | undefined
    for (const [n, held] of batch.entries()) {
      const verdict = settled.has(held.id) ? undefined : judge(held, results[n], this.#options.failure)
      if (verdict?.kind === 'outage') outage ??= verdict
      else if (verdict?.kind !== 'not-attempted') answer = 'up'
      if (verdict) this.#conclusion.conclude(held, verdict)
      else this.#conclusion.recorded(held)
    }
    if (outage === undefined) return answer
    if (probe) await this.#breaker.probeFailed(describeError(outage.error), outage.retryAfter)
    // A send from before the last probe tells nothing of now.
    else if (!this.#breaker.isOpen && sentAt >= this.#resetAt) await this.#trip(outage.error, outage.retryAfter)
    return 'down'
  }

  /** An event left the hand. */
  #dropped(): void {
    if (!this.#full || this.#space() < this.#options.batchSize) return
    this.#full = false
    this.#pause.end()
  }

  /** Nothing to read, or no room: waits for a wake-up, a finished send, the next due time, or the next poll. */
  async #rest(untilDry: boolean): Promise<void> {
    const { waker, pollInterval } = this.#options
    if (this.#space() <= 0) {
      this.#full = true
      return this.#pause.sleep(pollInterval)
    }
    if (untilDry) return this.#pause.sleep(5)
    const untilDue = Math.max(1, this.#reader.nextDueAt - performance.now())
    // After activity poll faster: 10, 20, 40, 80 ms, and only then ask to be told of commits.
    const quick = 10 * 2 ** this.#idleRounds++
    if (quick <= 80) await this.#pause.sleep(Math.min(quick, untilDue))
    else {
      const rest = await waker.rest(this)
      const poll = rest === 'poll' ? Math.min(pollInterval, 100 * 2 ** (this.#idleRounds - 5)) : pollInterval
      if (rest !== 'sweep') await this.#pause.sleep(Math.min(poll * (0.75 + Math.random() / 2), untilDue))
    }
    this.#reader.wake()
    this.#reader.sweepNext()
  }

  /** The breaker is open: when a probe is due, and nobody else probes, one event tries the backend. */
  async #probe(): Promise<void> {
    await this.#pause.sleep(Math.min(250, this.#breaker.probeIn + 1))
    const { backend, name, worker, timeout, signals } = this.#options
    if (this.#stopping || !this.#breaker.isOpen || this.#breaker.probeIn > 0) return
    if (!(await this.#breaker.tryProbe(timeout))) return
    this.#reader.rewind()
    await this.#reader.read(1, (row, suspect) => this.#accept(row, suspect))
    const batch = this.#buffer.take(1, false)
    if (batch.length > 0) {
      if ((await this.#send(batch, true)) !== 'up') return this.#giveBackAll()
    } else {
      const health = await backend.healthCheck(AbortSignal.timeout(timeout))
      if (!health.healthy) return this.#breaker.probeFailed(health.detail ?? 'not healthy', 0)
    }
    this.#resetAt = performance.now()
    if (await this.#breaker.reset()) signals.emit('backend.up', { backend: name, worker })
    this.#resume()
  }

  /** The backend is down: everything not sent goes back, nothing is counted against any event. */
  async #trip(error: unknown, retryAfter: number): Promise<void> {
    const { signals, name, worker } = this.#options
    const opening = this.#breaker.trip(describeError(error), retryAfter)
    this.#giveBackAll()
    if (await opening) signals.emit('backend.down', { backend: name, worker, error })
  }

  #giveBackAll(): void {
    this.#conclusion.giveBackWhere(() => true)
  }

  #resume(): void {
    this.#reader.rewind()
    this.wake()
  }

  /** What the survey says of the shared breaker. */
  observeBreaker(row: BreakerRow): void {
    const change = this.#breaker.observe(row)
    if (change === 'opened') this.#giveBackAll()
    if (change === 'closed') this.#resume()
  }

  wake(): void {
    this.#idleRounds = 0
    this.#reader.wake()
    this.#options.waker.busy(this)
    this.#dispatch()
    this.#pause.end()
  }

  /** The lease was extended: sends that waited for it may start. */
  leaseExtended(): void {
    this.#dispatch()
  }

  /** Takes lanes. Those whose last owner died start under suspicion. */
  async gain(lanes: readonly Lane[], workerId: string, unclean: ReadonlySet<number>): Promise<void> {
    const { name } = this.#options
    const fences = new Map(lanes.map(({ lane, fence }) => [lane, fence]))
    for (const { lane } of lanes) this.#ownerships.set(lane, { workerId, fences, backend: name })
    await this.#open(
      lanes.map(({ lane }) => lane),
      unclean,
    )
  }

  /** Somebody outside changed events of these lanes: starts afresh with what the store says. */
  async reconcile(lanes: readonly number[]): Promise<void> {
    const ownerships = lanes.map((lane) => [lane, this.#ownerships.get(lane)] as const)
    await this.drain(lanes)
    for (const [lane, ownership] of ownerships) if (ownership) this.#ownerships.set(lane, ownership)
    await this.#open(lanes, new Set())
  }

  /** Learns what holds the lanes' keys, then reads them; tries until it is known or the lanes are gone. */
  async #open(lanes: readonly number[], unclean: ReadonlySet<number>): Promise<void> {
    const { concurrency, batchSize, store, names, onError } = this.#options
    const ownerships = lanes.map((lane) => this.#ownerships.get(lane))
    for (;;) {
      const ours = lanes.filter(
        (lane, n) => ownerships[n] !== undefined && this.#ownerships.get(lane) === ownerships[n],
      )
      if (ours.length === 0 || this.#stopping) return
      try {
        const heads = await store.relay.reconcile(names, ours)
        const now = performance.now()
        for (const lane of ours) this.#held.reset(lane, heads, now)
        this.#reader.open(ours, (lane) => (unclean.has(lane) ? concurrency * batchSize : 0))
        return this.wake()
      } catch (error) {
        onError(error)
        await new Promise((resolve) => setTimeout(resolve, 500))
      }
    }
  }

  /** Stops working on lanes and resolves when nothing of them is in flight. */
  async drain(lanes: readonly number[]): Promise<void> {
    const leaving = new Set(lanes)
    for (const lane of lanes) this.#reader.close(lane)
    this.#conclusion.giveBackWhere((held) => leaving.has(held.lane))
    await Promise.all(lanes.map((lane) => this.#inHand.empty(lane)))
    for (const lane of lanes) {
      this.#held.forget(lane)
      this.#ownerships.delete(lane)
    }
  }

  /** The lease ended: all lanes are gone. Resolves when nothing is in flight any more. */
  async lose(): Promise<void> {
    await this.drain([...this.#ownerships.keys()])
  }

  stop(): void {
    this.#stopping = true
    this.#pause.end()
  }

  async #finish(): Promise<void> {
    await this.lose()
    await this.#settler.idle()
  }

  #space(): number {
    return Math.min(this.#budget.left, this.#options.maxInHand - this.#inHand.size)
  }

  #isDone(): boolean {
    return (this.#budget.left <= 0 || !this.#reader.hungry) && this.#inHand.size === 0
  }
}
