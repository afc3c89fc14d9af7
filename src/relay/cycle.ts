import type { SendResult } from '../backend/backend.ts'
import { OutboxEvent } from '../record/outbox-event.ts'
import type { BreakerRow, Lane } from '../store/coordination-store.ts'
import type { FetchedRow, Outcome, Ownership } from '../store/relay-store.ts'
import { Breaker } from './breaker.ts'
import type { CycleOptions } from './cycle-options.ts'
import { HeldKeys } from './held-keys.ts'
import { type HeldEvent, InHand } from './in-hand.ts'
import { LaneReader } from './lane-reader.ts'
import { describeError, judge, judgeWorkerKiller, type Verdict } from './outcomes.ts'
import { Pause } from './pause.ts'
import { Sender } from './sender.ts'
import { SendBuffer } from './send-buffer.ts'
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
  readonly #ownerships = new Map<number, Ownership>()
  #sending = 0
  #full = false
  readonly #reconciling = new Set<number>()
  #resetAt = 0
  #idleRounds = 0
  #published = 0
  readonly #budget: { left: number }
  #stopping = false

  constructor(options: CycleOptions) {
    this.#options = options
    const { store, names, backend, lease, failure, timeout, onError } = options
    this.#reader = new LaneReader(store.relay, names, this.#inHand)
    this.#settler = new Settler(store.relay, onError, () => this.#stopping && lease.left <= 0)
    this.#sender = new Sender({ backend, lease, store: store.relay, settler: this.#settler, policy: failure, timeout, onError })
    this.#breaker = new Breaker(store.coordination.breakers, options.name, options.breaker)
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
    return this.#published
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
    this.#budget.left -= fresh
    if (fresh > 0) {
      this.#idleRounds = 0
      this.#options.waker.busy(this)
      this.#dispatch()
    }
    return fresh
  }

  #accept(row: FetchedRow, suspect: boolean): void {
    const ownership = this.#ownerships.get(row.lane)
    if (ownership === undefined) return
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
      this.#park(held, blocker)
      this.#doubt(held.lane, blocker.dueAt)
    } else if (alone && held.retryCount >= Math.max(1, held.maxRetries)) this.#conclude(held, judgeWorkerKiller(held, this.#options.failure))
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
      for (const held of batch) this.#giveBack(held)
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
      if (verdict) this.#conclude(held, verdict)
      else this.#recorded(held)
    }
    if (outage === undefined) return answer
    if (probe) await this.#breaker.probeFailed(describeError(outage.error), outage.retryAfter)
    // A send from before the last probe tells nothing of now.
    else if (!this.#breaker.isOpen && sentAt >= this.#resetAt) await this.#trip(outage.error, outage.retryAfter)
    return 'down'
  }

  #conclude(held: HeldEvent, verdict: Verdict): void {
    if (verdict.kind !== 'settle') {
      const blocker = held.key === null ? undefined : this.#held.blocker(held.lane, held.key, held.seq)
      if (blocker && verdict.kind === 'not-attempted') this.#park(held, blocker)
      else this.#giveBack(held)
      return
    }
    const { outcome, error } = verdict
    if (outcome.kind === 'retry' || (outcome.kind === 'failed' && outcome.blocks)) this.#holdKey(held, outcome)
    this.#settler.add(held, outcome, (recorded) => {
      this.#drop(held)
      if (recorded) this.#announce(held, outcome, error)
    })
  }

  /** Later events of the key wait for this one; those in the buffer are parked with it. */
  #holdKey(held: HeldEvent, outcome: Extract<Outcome, { kind: 'retry' | 'failed' }>): void {
    if (held.key === null) return
    const dueAt = outcome.kind === 'retry' ? performance.now() + outcome.delay : null
    const head = { id: held.id, seq: held.seq, dueAt }
    this.#held.hold(held.lane, held.key, head)
    for (const follower of this.#buffer.removeKey(held.key)) {
      if (follower.seq > held.seq) this.#park(follower, head)
      else this.#buffer.add(follower)
    }
  }

  #park(held: HeldEvent, head: { readonly id: string; readonly dueAt: number | null }): void {
    const { signals, name, worker } = this.#options
    const delay = head.dueAt === null ? null : Math.max(0, head.dueAt - performance.now())
    if (delay === null) signals.emit('event.blocked', { event: held.event, backend: name, worker, headId: head.id })
    this.#settler.add(held, { kind: 'park', id: held.id, lane: held.lane, delay }, () => this.#drop(held))
  }

  /** Not sent after all: its row is as it was, and it is read again before any later event of its key. */
  #giveBack(held: HeldEvent): void {
    if (held.key !== null) for (const follower of this.#buffer.removeKey(held.key)) this.#giveBack(follower)
    const gone = (): void => {
      this.#drop(held)
      this.#reader.rewindTo(held.lane, held.seq)
    }
    if (!held.marked) return gone()
    if (held.key !== null) this.#held.hold(held.lane, held.key, { id: held.id, seq: held.seq, dueAt: performance.now() })
    this.#settler.add(held, { kind: 'returned', id: held.id, lane: held.lane, retryCount: held.retryCount }, gone)
  }

  #drop(held: HeldEvent): void {
    this.#inHand.remove(held.id)
    if (!this.#full || this.#space() < this.#options.batchSize) return
    this.#full = false
    this.#pause.end()
  }

  /** Settled together with the handler's own writes. */
  #recorded(held: HeldEvent): void {
    this.#drop(held)
    this.#announce(held, { kind: 'published', id: held.id, lane: held.lane }, undefined)
  }

  #announce({ event }: HeldEvent, outcome: Outcome, error: unknown): void {
    const { signals, name: backend, worker } = this.#options
    if (outcome.kind === 'published') {
      this.#published++
      if (signals.has('event.published')) signals.emit('event.published', { event, backend, worker })
    } else if (outcome.kind === 'retry') {
      const { retryCount, delay } = outcome
      signals.emit('event.retried', { event, backend, worker, retryCount, delay, error })
    } else if (outcome.kind === 'failed') {
      const { retryCount, blocks } = outcome
      signals.emit('event.failed', { event, backend, worker, retryCount, blocks, error })
    }
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
    for (const held of this.#buffer.removeWhere(() => true)) this.#giveBack(held)
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
    this.#reader.sweepNext()
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
    await this.#open(lanes.map(({ lane }) => lane), unclean)
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
      const ours = lanes.filter((lane, n) => ownerships[n] !== undefined && this.#ownerships.get(lane) === ownerships[n])
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
    for (const held of this.#buffer.removeWhere((held) => leaving.has(held.lane))) this.#giveBack(held)
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
