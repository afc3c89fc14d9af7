import type { Backend } from '../backend/backend.ts'
import { BroadcasterError } from '../errors.ts'
import { Pause } from '../foundation/pause.ts'
import { suggestion } from '../foundation/suggestion.ts'
import { settles } from '../foundation/waiting.ts'
import type { HealthCheck } from '../health/health.ts'
import type { RecordSource } from '../record/record-source.ts'
import type { Store } from '../store/store.ts'
import { broadcasterClosed } from '../store/until-closed.ts'
import type { SignalSource } from '../telemetry/signals.ts'
import { Background, type BackgroundWork } from './background.ts'
import { checkTimeouts } from './check-timeouts.ts'
import { connectBackends } from './connect-backends.ts'
import { budgetOf, Drain } from './drain.ts'
import { Duty } from './duty.ts'
import { type Engagement, engage } from './engage.ts'
import { type WorkerState, workerHealth } from './loops.ts'
import { answered, patientCleaning, patientCoordination } from './patient-store.ts'
import { Retention, type RetentionReport } from './retention.ts'
import type { RelayHooks } from './send-hooks.ts'
import type { SendShare } from './send-slots.ts'
import { endShift, type Shift } from './shift.ts'
import { startWhenThere } from './start-when-there.ts'
import { type ResolvedWorkerOptions, resolveWorkerOptions, stopTimeOf, type WorkerOptions } from './worker-options.ts'

/** What a worker works with; a `Broadcaster` makes it. */
export interface WorkerParts {
  readonly store: Pick<
    Store,
    | 'relay'
    | 'retention'
    | 'coordination'
    | 'admin'
    | 'inbox'
    | 'audit'
    | 'history'
    | 'schema'
    | 'wake'
    | 'statementTimeout'
  >
  readonly backends: ReadonlyMap<string, Backend>
  readonly defaultBackend: string
  readonly records: RecordSource
  readonly signals: SignalSource
  /** Default: none. */
  readonly hooks?: RelayHooks | undefined
  /** The outbox's part of the sends that the outboxes of a pool share; absent = not in a pool. */
  readonly share?: SendShare | undefined
  /** What is done beside the relay. Default: nothing. */
  readonly background?: BackgroundWork | undefined
  /** Whether who made it was closed: then nothing is begun. Default: never. */
  readonly isClosed?: (() => boolean) | undefined
  /**
   * How long one statement may take before the database counts as not answering, in milliseconds; a lease when that is
   * more. Default 10,000, or 2,000 more than the store's own limit when that is more.
   */
  readonly statementTime?: number
}

/**
 * Delivers events until it is stopped. `start` and `stop` may be called in any order and any number of times; both
 * resolve when it is done. Several workers, in one process or on many machines, share the work.
 *
 * @example await using worker = broadcaster.worker({ batchSize: 500 }); await worker.start()
 */
export class Worker {
  /** Its options, each with its value. */
  readonly options: ResolvedWorkerOptions
  readonly #parts: WorkerParts
  readonly #served: readonly (readonly [string, Backend])[]
  #shift: Shift | undefined
  #changing: Promise<unknown> = Promise.resolve()
  readonly #drains = new Set<Drain>()
  #isStarting = false
  /** Calls of `run` that have not ended. */
  #runs = 0
  /** How often it was stopped: a `run` ends when this goes up. */
  #stops = 0
  readonly #rest = new Pause()
  /** Between two tries to start. */
  readonly #starting = new Pause()

  constructor(parts: WorkerParts, options: WorkerOptions = {}) {
    // A pool tries again by itself, and tells how each outbox is.
    this.options = resolveWorkerOptions(options, { pooled: parts.share !== undefined })
    this.#parts = parts
    const known = [...parts.backends.keys()]
    const unknown = (this.options.backends ?? []).find((name) => !parts.backends.has(name))
    if (unknown !== undefined) {
      const message = `worker.backends names '${unknown}', which is not configured${suggestion(unknown, known) || `; configured are ${known.join(', ')}`}`
      throw new BroadcasterError('UNKNOWN_BACKEND', message, { field: 'backends', value: unknown })
    }
    const { backends } = this.options
    this.#served = [...parts.backends].filter(([name]) => backends?.includes(name) ?? true)
    checkTimeouts(this.#served)
  }

  /** Its name, as signals and the attempt history have it. */
  get name(): string {
    return this.options.name
  }

  /** Whether it was started, and has not stopped. */
  get isRunning(): boolean {
    return this.#shift !== undefined
  }

  /** The names of the backends that it serves. */
  get backends(): readonly string[] {
    return this.#served.map(([name]) => name)
  }

  /** Whether its loops turn, and whether it is at work and its last heartbeat was answered. Asks no server. */
  health(): HealthCheck {
    return workerHealth(this.name, this.#state, this.#shift?.loops, this.storeError)
  }

  /** Why its last heartbeat failed: its database cannot be used, and it goes on trying. Undefined = all is well. */
  get storeError(): unknown {
    return this.#shift?.keeper.storeError
  }

  /**
   * Checks the schema, takes lanes and starts to deliver. A database that is down is waited for (`failFast`: rejects); one
   * without the schema, or that refuses us, rejects: `SCHEMA_MISSING` and the like.
   */
  start(): Promise<void> {
    const stops = this.#stops
    return this.#start(() => this.#stops !== stops)
  }

  #start(isOver: () => boolean): Promise<void> {
    const { signals } = this.#parts
    const worker = this.name
    return this.#change(async () => {
      if (this.#shift !== undefined) return
      const begin = async (): Promise<Shift> => {
        await this.#check()
        return this.#begin()
      }
      this.#isStarting = true
      const starting = startWhenThere(begin, {
        failFast: this.options.failFast,
        isOver,
        rest: this.#starting,
        onAway: (error) => signals.emit('store.down', { worker, error }),
        onBack: () => signals.emit('store.up', { worker }),
      })
      this.#shift = await starting.finally(() => {
        this.#isStarting = false
      })
      if (this.#shift === undefined) return
      signals.emit('worker.started', { worker, backends: this.backends })
    })
  }

  /**
   * Stops fetching, finishes or gives back what is in flight, settles, hands the lanes over, and resolves; drains and runs
   * that are going on end, too. Takes at most the longest send timeout and a second or two; whatever hangs, it ends after
   * `stopTimeout` and reports it with the signal `worker.error`.
   */
  async stop(): Promise<void> {
    this.#stops++
    this.#rest.end()
    this.#starting.end()
    const drains = [...this.#drains]
    for (const drain of drains) drain.stop()
    const ending = this.#change(async () => {
      const shift = this.#shift
      if (shift === undefined) return
      this.#shift = undefined
      await endShift(shift, this.options.lease)
      this.#parts.signals.emit('worker.stopped', { worker: this.name })
    })
    const stopping = Promise.all([ending, ...drains.map((drain) => drain.ended())])
    const { lease } = this.options
    if (await settles(stopping, { timeout: stopTimeOf(this.options, this.#served) })) return void (await stopping)
    const message = `a send or the database does not end in time; lanes that could not be handed over are free when the lease of ${lease} ms ends`
    const error = new BroadcasterError('CLOSE_TIMEOUT', message)
    this.#parts.signals.emit('worker.error', { worker: this.name, error })
  }

  /** Look for events now. */
  wake(): void {
    for (const cycle of this.#shift?.cycles ?? []) cycle.wake()
  }

  /** Starts, works until `signal` aborts or `maxIterations` passes are done, and stops. */
  async run(signal?: AbortSignal): Promise<void> {
    const { maxIterations, pollInterval } = this.options
    const stops = this.#stops
    const isOver = (): boolean => signal?.aborted === true || this.#stops !== stops
    const onAbort = (): void => {
      this.#rest.end()
      this.#starting.end()
    }
    signal?.addEventListener('abort', onAbort)
    this.#runs++
    try {
      if (maxIterations === 0) {
        await this.#start(isOver)
        while (!isOver() && this.isRunning) await this.#rest.sleep(60_000)
      }
      for (let pass = 1; pass <= maxIterations && !isOver(); pass++) {
        await this.drain()
        if (pass < maxIterations && !isOver()) await this.#rest.sleep(pollInterval)
      }
    } finally {
      this.#runs--
      signal?.removeEventListener('abort', onAbort)
      await this.stop()
    }
  }

  /**
   * One pass, for cron jobs: takes the free lanes, delivers until nothing is due, or `limit` events, and gives the lanes back.
   * Returns how many events were published; 0 while other workers own all lanes. `stop` ends it early.
   */
  async drain(limit?: number): Promise<number> {
    const drain = new Drain({ ...this.#assemble(true, budgetOf(limit)), check: () => this.#check() })
    this.#drains.add(drain)
    try {
      return await drain.published
    } finally {
      this.#drains.delete(drain)
      if (this.#runs === 0 && !this.isRunning) this.#parts.signals.flush()
    }
  }

  /** For `await using`: the same as `stop`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  get #state(): WorkerState {
    if (this.#shift !== undefined) return 'running'
    if (this.#isStarting) return 'starting'
    const isPassing = this.#runs > 0 && this.options.maxIterations > 0
    return isPassing || this.#drains.size > 0 ? 'passing' : 'stopped'
  }

  get #statementTime(): number {
    const { statementTime, store } = this.#parts
    return Math.max(statementTime ?? Math.max(10_000, (store.statementTimeout ?? 0) + 2_000), this.options.lease)
  }

  async #check(): Promise<void> {
    if (this.#parts.isClosed?.()) throw broadcasterClosed()
    await answered(this.#statementTime, this.#parts.store.schema.check())
  }

  #change(work: () => Promise<void>): Promise<void> {
    const turn = this.#changing.then(work)
    this.#changing = turn.catch(() => undefined)
    return turn
  }

  async #begin(): Promise<Shift> {
    const { keeper, cycles, waker, unserved, loops, flow, outages, onError } = this.#assemble(false)
    await connectBackends(this.#served, this.options.sendTimeout, onError)
    await keeper.start()
    const { retention: options } = this.options
    const { signals } = this.#parts
    const worker = this.name
    const report: RetentionReport = {
      onStarted: () => signals.emit('retention.started', { worker }),
      onPurged: (count) => signals.emit('events.purged', { worker, count }),
      onFinished: (events, inbox, duration) => signals.emit('retention.finished', { worker, events, inbox, duration }),
      onError,
    }
    const cleaned = patientCleaning(this.#parts.store, this.#statementTime)
    const duties = patientCoordination(this.#parts.store.coordination, this.#statementTime).duties
    const duty = new Duty({ store: duties, name: 'clean-up', lease: this.options.lease, onError })
    const retention = options === false ? undefined : new Retention(cleaned, options, report, duty)
    const { background: work } = this.#parts
    const background = work && new Background(work, onError)
    await waker.start()
    const beside = [keeper.run(), retention?.run(), unserved.run(), background?.run(), flow.run()]
    const running = Promise.all([...cycles.map((cycle) => cycle.run()), ...beside])
    return { keeper, cycles, waker, running, retention, unserved, background, loops, flow, outages }
  }

  #assemble(transient: boolean, budget?: { left: number }): Engagement {
    return engage({
      parts: this.#parts,
      options: this.options,
      served: this.#served,
      statementTime: this.#statementTime,
      transient,
      budget,
    })
  }
}
