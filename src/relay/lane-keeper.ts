import { BroadcasterError } from '../errors.ts'
import { Pause } from '../foundation/pause.ts'
import type { Pulse } from '../health/pulse.ts'
import type { CoordinationStore, LaneRow, Survey } from '../store/coordination-store.ts'
import type { SignalSource } from '../telemetry/signals.ts'
import { Attendant, keyOf } from './attendant.ts'
import type { Cycle } from './cycle.ts'
import { Heartbeats } from './heartbeats.ts'
import { planLanes } from './lane-plan.ts'
import { type Lease, moment } from './lease.ts'
import { answered } from './patient-store.ts'

export interface LaneKeeperOptions {
  readonly store: CoordinationStore
  readonly lease: Lease
  /** Beats at each turn of the loop. */
  readonly pulse: Pulse
  readonly cycles: readonly Cycle[]
  readonly signals: SignalSource
  /** The worker's name. */
  readonly worker: string
  /** A one-shot drain: takes every free lane, and counts in no share. */
  readonly transient: boolean
  /** There is nothing to do, and the store announces the next commit: the heartbeat may be slow. */
  readonly isQuiet: () => boolean
  /** Milliseconds between two heartbeats then; a quarter of the lease when that is less. */
  readonly idleInterval: number
  /** The store answered a heartbeat. */
  readonly onAnswered: () => void
  readonly onError: (error: unknown) => void
}

/** Milliseconds between two surveys of who owns what; a quarter of the lease when that is less. */
const TICK = 1_000
/** While a breaker is open and probed, so that all workers go on soon after it closes. */
const BREAKER_TICK = 250
/** While an operator holds a lane of ours, and a moment longer. */
const HOLD_TICK = 50
/** A wake-up from the database leads to a look at most this often. */
const WAKE_TICK = 200

/** Holds this worker's lease and its fair share of the lanes. */
export class LaneKeeper {
  readonly #options: LaneKeeperOptions
  readonly #cycles: ReadonlyMap<string, Cycle>
  readonly #owned = new Map<string, LaneRow>()
  readonly #leaving = new Map<string, Promise<void>>()
  readonly #attendant: Attendant
  #woken: NodeJS.Timeout | undefined
  readonly #heartbeats = new Heartbeats()
  readonly #pause = new Pause()
  #workerId: string | undefined
  /** Goes up when the lanes are given up: what was asked before has no say any more. */
  #era = 0
  /** Nothing of lanes that were given up is in flight. */
  #givenUp: Promise<unknown> = Promise.resolve()
  #lastTick = 0
  #storeError: unknown
  #stopping = false

  constructor(options: LaneKeeperOptions) {
    this.#options = options
    this.#cycles = new Map(options.cycles.map((cycle) => [cycle.name, cycle]))
    options.lease.onDoubt = () => this.wake()
    const { store, onError } = options
    this.#attendant = new Attendant({ store, cycles: this.#cycles, owned: this.#owned, onError })
  }

  /** Why the last heartbeat failed; undefined = it did not. */
  get storeError(): unknown {
    return this.#storeError
  }

  /** Enters and takes the first lanes. Throws when the store cannot be reached, and leaves again. */
  async start(): Promise<void> {
    await this.#enter()
    try {
      await this.#share()
    } catch (error) {
      await this.leave()
      throw error
    }
  }

  /** Renews, looks and shares until `leave`. Never rejects. */
  async run(): Promise<void> {
    // Workers of one process that started together do not go on in step.
    let part = Math.random()
    while (!this.#stopping) {
      this.#options.pulse.beat()
      await this.#pause.sleep(this.#interval() * part)
      part = 1
      if (this.#stopping) return
      try {
        await this.tick()
        this.#options.onAnswered()
        this.#tellOfStore(undefined)
      } catch (error) {
        this.#options.onError(error)
        this.#tellOfStore(error)
      }
    }
  }

  #interval(): number {
    const { lease, cycles, isQuiet, idleInterval } = this.#options
    const isProbing = cycles.some((cycle) => cycle.isProbing)
    const usual = isQuiet() ? Math.max(TICK, idleInterval) : TICK
    const soon = this.#attendant.isBusy ? HOLD_TICK : usual
    return Math.min(isProbing ? Math.min(BREAKER_TICK, soon) : soon, lease.length / 4)
  }

  /** A store that is only busy answers the next heartbeat, or is down then. */
  #tellOfStore(error: unknown): void {
    const { signals, worker } = this.#options
    if (error instanceof BroadcasterError && error.code === 'STORE_BUSY') return
    const wasDown = this.#storeError !== undefined
    this.#storeError = error
    if (error !== undefined && !wasDown) signals.emit('store.down', { worker, error })
    if (error === undefined && wasDown) signals.emit('store.up', { worker })
  }

  /**
   * One heartbeat. A store that does not answer within a lease has failed: the lanes are given up, and it is asked
   * again.
   */
  async tick(): Promise<void> {
    this.#lastTick = performance.now()
    clearTimeout(this.#woken)
    this.#woken = undefined
    if (this.#options.lease.left > 0 && (await this.#inTime(this.renew()))) {
      for (const cycle of this.#cycles.values()) cycle.dispatch()
    } else this.#lost()
    // The sends of lanes that come back at once must be over, and recorded as soon as the store is back.
    this.#options.pulse.rest()
    await this.#givenUp
    this.#options.pulse.beat()
    await this.#inTime(this.#look())
  }

  async #inTime<T>(asking: Promise<T>): Promise<T> {
    const { lease } = this.#options
    const era = this.#era
    try {
      return await answered(lease.length, asking)
    } catch (error) {
      if (lease.left <= 0 && era === this.#era) this.#lost()
      throw error
    }
  }

  async #look(): Promise<void> {
    if (this.#workerId !== undefined || (await this.#enter())) await this.#share()
  }

  /** Look soon: lanes may have become free. */
  wake(): void {
    if (performance.now() - this.#lastTick > WAKE_TICK) this.#pause.end()
    else this.#woken ??= setTimeout(() => this.#pause.end(), WAKE_TICK)
  }

  /** Ends `run`; the lease stays until `leave`. */
  stop(): void {
    this.#stopping = true
    clearTimeout(this.#woken)
    this.#pause.end()
  }

  /**
   * Gives everything back. The cycles must have finished. A store that cannot be reached does not keep us from ending: the
   * lanes are free when the lease ends.
   */
  async leave(): Promise<void> {
    await Promise.all(this.#leaving.values())
    const { signals, worker } = this.#options
    for (const [backend, lanes] of Map.groupBy(this.#owned.values(), (lane) => lane.backend)) {
      signals.emit('lane.lost', { backend, worker, lanes: lanes.map(({ lane }) => lane), reason: 'released' })
    }
    const id = this.#workerId
    this.#workerId = undefined
    this.#era++
    this.#owned.clear()
    this.#attendant.forget()
    const { store, lease, onError } = this.#options
    if (id !== undefined) await store.leave(id).catch(onError)
    lease.end()
  }

  /** Renews the lease once. Resolves to false when it cannot be renewed any more. */
  async renew(): Promise<boolean> {
    const { store, lease } = this.#options
    const id = this.#workerId
    const asked = moment()
    const renewed = id !== undefined && (await store.renew(id, lease.length)) && id === this.#workerId
    if (renewed) lease.extend(asked)
    return renewed
  }

  /** Resolves to false when the answer came too late to count. */
  async #enter(): Promise<boolean> {
    const { store, lease, worker, transient } = this.#options
    const backends = [...this.#cycles.keys()]
    const era = this.#era
    const asked = moment()
    const id = await store.enter({ name: worker, backends, lease: lease.length, transient })
    if (era !== this.#era) {
      await store.leave(id)
      return false
    }
    this.#workerId = id
    lease.extend(asked)
    return true
  }

  /** The lease ended: whatever we had may belong to another worker already. */
  #lost(): void {
    const { lease, signals, worker, onError } = this.#options
    lease.end()
    this.#workerId = undefined
    this.#era++
    for (const [backend, lanes] of Map.groupBy(this.#owned.values(), (lane) => lane.backend)) {
      signals.emit('lane.lost', { backend, worker, lanes: lanes.map(({ lane }) => lane), reason: 'lease-ended' })
    }
    this.#owned.clear()
    this.#leaving.clear()
    this.#attendant.forget()
    const draining = [...this.#cycles.values()].map((cycle) => cycle.lanes.drainAll().catch(onError))
    this.#givenUp = Promise.all([this.#givenUp, ...draining])
  }

  async #share(): Promise<void> {
    const { store, transient } = this.#options
    const workerId = this.#workerId
    if (workerId === undefined) return
    const survey = await store.survey([...this.#cycles.keys()])
    if (this.#workerId !== workerId) return
    for (const row of survey.breakers) this.#cycles.get(row.backend)?.observeBreaker(row)
    this.#attendant.attend(survey, workerId, this.#leaving)
    for (const cycle of this.#cycles.values()) cycle.lanes.patrol()
    const late = this.#heartbeats.observe(survey.workers)
    const plan = planLanes({ workerId, workers: survey.workers, lanes: survey.lanes, late, greedy: transient })
    for (const [backend, lanes] of Map.groupBy(plan.release, (lane) => lane.backend)) this.#release(backend, lanes)
    // Ours in the store, but not read here: the answer to a claim was lost, or giving them back failed.
    const astray = survey.lanes.filter(
      (lane) => lane.owner === workerId && !this.#owned.has(keyOf(lane)) && !this.#leaving.has(keyOf(lane)),
    )
    const claim = [...plan.claim, ...astray]
    if (claim.length > 0 && !this.#stopping) await this.#claim(workerId, claim, survey)
  }

  async #claim(workerId: string, lanes: readonly LaneRow[], survey: Survey): Promise<void> {
    const { store, signals, worker, transient, onError } = this.#options
    const before = new Map(survey.lanes.map((lane) => [keyOf(lane), lane]))
    const taken = await store.claim(workerId, lanes)
    if (this.#workerId !== workerId) return
    for (const [backend, group] of Map.groupBy(taken, (lane) => lane.backend)) {
      // An owner that did not give the lane back died, or lost its lease: what it had in flight is suspect.
      const unclean = group.filter((lane) => before.get(keyOf(lane))?.owner !== null)
      for (const lane of group) this.#owned.set(keyOf(lane), lane)
      signals.emit('lane.gained', { backend, worker, lanes: group.map(({ lane }) => lane) })
      const gaining = this.#cycles.get(backend)?.lanes.gain(group, workerId, new Set(unclean.map(({ lane }) => lane)))
      // What holds a lane's keys may take long to learn: the lease is renewed meanwhile. A drain has nothing else to do.
      if (transient) await gaining
      else gaining?.catch(onError)
    }
  }

  /** Finishes what is in flight there, then gives the lanes back. */
  #release(backend: string, lanes: readonly LaneRow[]): void {
    const { store, signals, worker, onError } = this.#options
    const leaving = lanes.filter(
      (lane) => this.#owned.has(keyOf(lane)) && !this.#leaving.has(keyOf(lane)) && !this.#attendant.isAnswering(lane),
    )
    const workerId = this.#workerId
    if (leaving.length === 0 || workerId === undefined) return
    const numbers = leaving.map(({ lane }) => lane)
    const lanesOf = this.#cycles.get(backend)?.lanes
    const work = (async () => {
      try {
        const ours = numbers.map((number) => lanesOf?.get(number)).filter((lane) => lane !== undefined)
        await lanesOf?.drain(ours)
        if (this.#workerId !== workerId) return
        // Not ours from here on, even if the answer is an error: the next survey tells.
        for (const lane of leaving) this.#owned.delete(keyOf(lane))
        await store.release(workerId, leaving)
        signals.emit('lane.lost', { backend, worker, lanes: numbers, reason: 'released' })
      } catch (error) {
        onError(error)
      } finally {
        for (const lane of leaving) this.#leaving.delete(keyOf(lane))
      }
    })()
    for (const lane of leaving) this.#leaving.set(keyOf(lane), work)
  }
}
