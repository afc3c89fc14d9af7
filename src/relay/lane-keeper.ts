import { BroadcasterError } from '../errors.ts'
import { Pause } from '../foundation/pause.ts'
import { VERSION } from '../foundation/version.ts'
import type { Pulse } from '../health/pulse.ts'
import type { CoordinationStore, LaneRow } from '../store/coordination-store.ts'
import type { SignalSource } from '../telemetry/signals.ts'
import { Attendant } from './attendant.ts'
import type { Cycle } from './cycle.ts'
import { Heartbeats } from './heartbeats.ts'
import type { Lane } from './lane.ts'
import { planLanes } from './lane-plan.ts'
import type { Lanes } from './lanes.ts'
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

/** From entering the table of workers to leaving it, or losing the lease. */
interface Stay {
  id: string | undefined
}

/** Holds this worker's lease and its fair share of the lanes. */
export class LaneKeeper {
  readonly #options: LaneKeeperOptions
  readonly #cycles: ReadonlyMap<string, Cycle>
  /** Lanes that are being given back. */
  readonly #releasing = new Set<Promise<void>>()
  readonly #attendant: Attendant
  #woken: NodeJS.Timeout | undefined
  readonly #heartbeats = new Heartbeats()
  readonly #pause = new Pause()
  /** Another one once the lanes were given up: what was asked in an earlier one has no say any more. */
  #stay: Stay = { id: undefined }
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
    this.#attendant = new Attendant({ store, cycles: this.#cycles, onError })
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
    const stay = this.#stay
    try {
      return await answered(lease.length, asking)
    } catch (error) {
      if (lease.left <= 0 && stay === this.#stay) this.#lost()
      throw error
    }
  }

  async #look(): Promise<void> {
    if (this.#stay.id !== undefined || (await this.#enter())) await this.#share()
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
    await Promise.all(this.#releasing)
    for (const { name, lanes } of this.#cycles.values()) {
      this.#tellLost(name, lanes.owned, 'released')
      lanes.forget(lanes.owned)
    }
    const { id } = this.#stay
    this.#stay = { id: undefined }
    const { store, lease, onError } = this.#options
    if (id !== undefined) await store.leave(id).catch(onError)
    lease.end()
  }

  /** Renews the lease once. Resolves to false when it cannot be renewed any more. */
  async renew(): Promise<boolean> {
    const { store, lease } = this.#options
    const stay = this.#stay
    const asked = moment()
    const renewed = stay.id !== undefined && (await store.renew(stay.id, lease.length)) && stay === this.#stay
    if (renewed) lease.extend(asked)
    return renewed
  }

  /** Resolves to false when the answer came too late to count. */
  async #enter(): Promise<boolean> {
    const { store, lease, worker, transient } = this.#options
    const backends = [...this.#cycles.keys()]
    const [stay, asked] = [this.#stay, moment()]
    const id = await store.enter({ name: worker, backends, lease: lease.length, transient, version: VERSION })
    if (stay !== this.#stay) {
      await store.leave(id)
      return false
    }
    stay.id = id
    lease.extend(asked)
    return true
  }

  /** The lease ended: whatever we had may belong to another worker already. */
  #lost(): void {
    const { lease, onError } = this.#options
    lease.end()
    this.#stay = { id: undefined }
    this.#releasing.clear()
    for (const { name, lanes } of this.#cycles.values()) this.#tellLost(name, lanes.owned, 'lease-ended')
    const ending = [...this.#cycles.values()].map(({ lanes }) => lanes.loseAll().catch(onError))
    this.#givenUp = Promise.all([this.#givenUp, ...ending])
  }

  #tellLost(backend: string, lanes: readonly Lane[], reason: 'released' | 'lease-ended'): void {
    const { signals, worker } = this.#options
    const numbers = lanes.map(({ number }) => number)
    if (numbers.length > 0) signals.emit('lane.lost', { backend, worker, lanes: numbers, reason })
  }

  async #share(): Promise<void> {
    const { store, transient } = this.#options
    const stay = this.#stay
    const workerId = stay.id
    if (workerId === undefined) return
    const survey = await store.survey([...this.#cycles.keys()])
    if (this.#stay !== stay) return
    for (const row of survey.breakers) this.#cycles.get(row.backend)?.observeBreaker(row)
    this.#attendant.attend(survey, workerId)
    for (const cycle of this.#cycles.values()) cycle.lanes.patrol()
    const late = this.#heartbeats.observe(survey.workers)
    const plan = planLanes({ workerId, workers: survey.workers, lanes: survey.lanes, late, greedy: transient })
    for (const [backend, rows] of Map.groupBy(plan.release, (row) => row.backend)) this.#release(backend, rows)
    // Ours in the store, but not read here: the answer to a claim was lost, or giving them back failed.
    const isKnown = ({ backend, lane }: LaneRow): boolean | undefined => this.#cycles.get(backend)?.lanes.owns(lane)
    const astray = survey.lanes.filter((row) => row.owner === workerId && !isKnown(row))
    const claim = [...plan.claim, ...astray]
    if (claim.length > 0 && !this.#stopping) await this.#claim(stay, workerId, claim)
  }

  async #claim(stay: Stay, workerId: string, rows: readonly LaneRow[]): Promise<void> {
    const { store, signals, worker, transient, onError } = this.#options
    // An owner that did not give the lane back died, or lost its lease: what it had in flight is suspect.
    const left = rows.filter(({ owner }) => owner !== null)
    const taken = await store.claim(workerId, rows)
    if (this.#stay !== stay) return
    for (const [backend, group] of Map.groupBy(taken, (row) => row.backend)) {
      const unclean = new Set(left.filter((row) => row.backend === backend).map(({ lane }) => lane))
      signals.emit('lane.gained', { backend, worker, lanes: group.map(({ lane }) => lane) })
      const gaining = this.#cycles.get(backend)?.lanes.gain(group, workerId, unclean)
      // What holds a lane's keys may take long to learn: the lease is renewed meanwhile. A drain has nothing else to do.
      if (transient) await gaining
      else gaining?.catch(onError)
    }
  }

  /** Finishes what is in flight there, then gives the lanes back. */
  #release(backend: string, rows: readonly LaneRow[]): void {
    const lanes = this.#cycles.get(backend)?.lanes
    const leaving = rows
      .map(({ lane }) => lanes?.get(lane))
      .filter((lane) => lane !== undefined)
      .filter(({ isKept, answer }) => isKept && answer === undefined)
    if (lanes === undefined || leaving.length === 0) return
    const releasing = this.#giveBack(backend, lanes, leaving)
    this.#releasing.add(releasing)
    void releasing.finally(() => this.#releasing.delete(releasing))
  }

  async #giveBack(backend: string, lanes: Lanes, leaving: readonly Lane[]): Promise<void> {
    const { store, onError } = this.#options
    const { id } = this.#stay
    const drained = await lanes.drain(leaving)
    if (id === undefined || drained.length === 0) return
    const rows = drained.map(({ row }) => row)
    try {
      await store.release(id, rows)
      this.#tellLost(backend, drained, 'released')
    } catch (error) {
      onError(error)
    } finally {
      // Not ours any more, even if the answer is an error: the next survey tells.
      lanes.forget(drained)
    }
  }
}
