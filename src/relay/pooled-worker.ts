import { BroadcasterError } from '../errors.ts'
import { Pause } from '../foundation/pause.ts'
import { settles } from '../foundation/waiting.ts'
import { SignalSource } from '../telemetry/signals.ts'
import type { Worker } from './worker.ts'

/** `starting`: tried for the first time; `down`: its database could not be used, and is tried again. */
export type PooledState = 'stopped' | 'starting' | 'running' | 'down'

export interface PooledWorkerOptions {
  /** The outbox's name. */
  readonly outbox: string
  readonly worker: Worker
  /** The longest pause between two tries to start, in ms. */
  readonly restartInterval: number
  /** Lets few workers start at once. */
  readonly gate: <T>(work: () => Promise<T>) => Promise<T>
}

/** What goes on between a start and a stop. */
interface Engagement {
  readonly rest: Pause
  readonly stop: AbortController
  /** Resolves when a start was tried, or given up. */
  readonly tried: PromiseWithResolvers<void>
}

/** How long a start may take before the database counts as down, in ms. */
const START_TIME = 10_000
/** How long one that does not answer keeps the starts of others waiting, in ms. */
const GATE_TIME = 1_000
/** The first pause between two tries, in ms; each is twice the one before. */
const FIRST_PAUSE = 250

/** One worker of a pool: started again and again until its database answers, and stopped in bounded time. */
export class PooledWorker {
  readonly worker: Worker
  readonly #options: PooledWorkerOptions
  readonly #signals: SignalSource
  #state: PooledState = 'stopped'
  #error: unknown
  /** A start that has not ended. */
  #pending: Promise<unknown> | undefined
  #engagement: Engagement | undefined

  constructor(options: PooledWorkerOptions) {
    this.worker = options.worker
    this.#options = options
    this.#signals = new SignalSource(options.outbox)
  }

  get state(): PooledState {
    return this.#state === 'running' && this.worker.storeError !== undefined ? 'down' : this.#state
  }

  /** Why it is down. */
  get error(): unknown {
    return this.#state === 'running' ? this.worker.storeError : this.#error
  }

  /** Resolves when it was tried once; never rejects. */
  start(): Promise<void> {
    if (this.#engagement === undefined) {
      this.#engagement = { rest: new Pause(), stop: new AbortController(), tried: Promise.withResolvers<void>() }
      void this.#engage(this.#engagement)
    }
    return this.#engagement.tried.promise
  }

  /** Hands the lanes back. Resolves in bounded time whatever its database does; never rejects. */
  async stop(): Promise<void> {
    this.#engagement?.stop.abort()
    this.#engagement?.rest.end()
    this.#engagement?.tried.resolve()
    this.#engagement = undefined
    this.#state = 'stopped'
    // A start after this one is another: what has begun now is undone.
    const pending = this.#pending
    this.#pending = undefined
    const stopping = this.worker.stop().catch((error: unknown) => this.#tell(error))
    // One that has never started has nothing to hand over.
    await (pending === undefined ? stopping : settles(stopping, { timeout: GATE_TIME }))
  }

  async #engage({ rest, stop: { signal }, tried }: Engagement): Promise<void> {
    const { restartInterval, gate } = this.#options
    this.#state = 'starting'
    // Only the first tries come all at once; later ones are spread by their pauses.
    let error = await this.#firstTry(signal, gate)
    for (let pause = FIRST_PAUSE; !signal.aborted; pause = 2 * pause) {
      this.#conclude(error)
      tried.resolve()
      if (error === undefined) return
      await rest.sleep(Math.min(restartInterval, pause) * (0.5 + Math.random() / 2))
      if (!signal.aborted) error = await this.#start()
    }
  }

  async #firstTry(stop: AbortSignal, gate: PooledWorkerOptions['gate']): Promise<unknown> {
    let starting: Promise<unknown> = Promise.resolve()
    await gate(async () => {
      if (stop.aborted) return
      starting = this.#start()
      await settles(starting, { timeout: GATE_TIME })
    })
    return starting
  }

  /** Resolves with what went wrong. A start that hangs is not begun a second time. */
  async #start(): Promise<unknown> {
    const pending = this.#pending ?? this.#begin()
    this.#pending = pending
    if (await settles(pending, { timeout: START_TIME })) return pending
    return new BroadcasterError('STORE_UNAVAILABLE', `the database did not answer within ${START_TIME} ms`)
  }

  #begin(): Promise<unknown> {
    const pending = this.worker
      .start()
      .then(
        () => undefined,
        (error: unknown) => error ?? new Error('the worker could not start'),
      )
      .finally(() => {
        if (this.#pending === pending) this.#pending = undefined
      })
    return pending
  }

  #conclude(error: unknown): void {
    const wasDown = this.#state === 'down'
    this.#error = error
    this.#state = error === undefined ? 'running' : 'down'
    const worker = this.worker.name
    if (error !== undefined) this.#tell(error)
    if (error !== undefined && !wasDown) this.#signals.emit('store.down', { worker, error })
    if (error === undefined && wasDown) this.#signals.emit('store.up', { worker })
  }

  #tell(error: unknown): void {
    this.#signals.emit('worker.error', { worker: this.worker.name, error })
  }
}
