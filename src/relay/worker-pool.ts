import { Gate } from '../backend/gate.ts'
import { BroadcasterError } from '../errors.ts'
import { Pause } from '../foundation/pause.ts'
import { showValue } from '../foundation/problem.ts'
import { type PooledState, PooledWorker } from './pooled-worker.ts'
import { type SendShare, SendSlots } from './send-slots.ts'
import type { Worker } from './worker.ts'
import type { WorkerOptions } from './worker-options.ts'
import { resolveWorkerPoolOptions, type WorkerPoolOptions } from './worker-pool-options.ts'

/** What a pool needs of a `Broadcaster`. */
export interface PooledOutbox {
  /** The name of the outbox; a pool has each only once. */
  readonly name: string
  /** Makes a worker of this outbox that sends by this share. */
  worker(options: WorkerOptions, share: SendShare): Worker
}

/** How one outbox of a pool is. */
export interface PooledStatus {
  /** The Broadcaster's name, which is also `outbox` in signals. */
  readonly name: string
  /** Whether its worker works, waits for its database, or was stopped. */
  readonly state: PooledState
  /** Why it is `down`: its database cannot be reached, or has no outbox yet. It is tried again. */
  readonly error?: unknown
}

/** Workers that start or drain at the same time. */
const AT_ONCE = 8

/**
 * One process that serves many outboxes: tenants, shards, schemas. Each keeps its own worker, lanes and breakers; they
 * share only the sends in flight, and take turns at them. An outbox whose database is down delays no other, and is
 * served again when it is back.
 *
 * The Broadcasters stay the caller's: a pool starts and stops workers, and closes nothing.
 *
 * @example
 * await using pool = new WorkerPool([eu, us])
 * await pool.start()
 * await pool.add(asia)
 */
export class WorkerPool {
  readonly #options: ReturnType<typeof resolveWorkerPoolOptions>
  readonly #slots: SendSlots
  readonly #gate = new Gate(AT_ONCE)
  readonly #members = new Map<string, PooledWorker>()
  /** An outbox that comes back gets its worker again, or each return would leave one behind with its Broadcaster. */
  readonly #known = new WeakMap<PooledOutbox, PooledWorker>()
  readonly #leaving = new Set<Promise<void>>()
  #isRunning = false

  /** Throws `INVALID_OPTION`, also when two outboxes have one name. */
  constructor(outboxes: Iterable<PooledOutbox> = [], options: WorkerPoolOptions = {}) {
    this.#options = resolveWorkerPoolOptions(options)
    const { concurrency, backendConcurrency } = this.#options
    this.#slots = new SendSlots({ inAll: concurrency, atBackend: backendConcurrency })
    if (typeof outboxes !== 'object' || outboxes === null || !(Symbol.iterator in outboxes))
      throw notOutboxes('outboxes', outboxes)
    for (const outbox of outboxes) this.#join(outbox)
  }

  /** Whether it was started, and has not stopped. */
  get isRunning(): boolean {
    return this.#isRunning
  }

  /** Sends in flight now, over all outboxes. */
  get sending(): number {
    return this.#slots.inUse
  }

  /** Each outbox with the state of its worker, in the order in which they were added. */
  status(): readonly PooledStatus[] {
    return Array.from(this.#members, ([name, { state, error }]) => ({
      name,
      state,
      ...(state === 'down' && { error }),
    }))
  }

  /** Starts all workers, a few at a time. Resolves when each was tried once; one that is down is tried again later. */
  async start(): Promise<void> {
    this.#isRunning = true
    await Promise.all(Array.from(this.#members.values(), (member) => member.start()))
  }

  /**
   * Stops all workers: each hands over its lanes. Resolves at most as long after as a send may take, the lease and a
   * few seconds, even when a database does not answer.
   */
  async stop(): Promise<void> {
    this.#isRunning = false
    await Promise.all([...Array.from(this.#members.values(), (member) => member.stop()), ...this.#leaving])
  }

  /**
   * Takes an outbox in, and starts its worker when the pool runs. Resolves when that was tried once. Rejects with
   * `INVALID_OPTION` when the name is taken.
   */
  async add(outbox: PooledOutbox): Promise<void> {
    const member = this.#join(outbox)
    if (this.#isRunning) await member.start()
  }

  /**
   * Stops the worker of an outbox and lets it go. Resolves when its lanes are handed over, so that its Broadcaster may
   * be closed; to false when there is none of that name.
   */
  async remove(outbox: string | PooledOutbox): Promise<boolean> {
    const name = typeof outbox === 'string' ? outbox : outbox.name
    const member = this.#members.get(name)
    if (member === undefined) return false
    this.#members.delete(name)
    const leaving = member.stop()
    this.#leaving.add(leaving)
    await leaving
    this.#leaving.delete(leaving)
    return true
  }

  /**
   * Starts, works until `signal` aborts, and stops. With `maxIterations` in the worker's options each outbox makes this
   * many passes, and this rejects with the first error when all have ended.
   */
  async run(signal: AbortSignal): Promise<void> {
    const workers = Array.from(this.#members.values(), ({ worker }) => worker)
    if (workers.some(({ options }) => options.maxIterations > 0)) {
      await this.#each(workers, (worker) => worker.run(signal))
      return
    }
    const rest = new Pause()
    const onAbort = (): void => rest.end()
    signal.addEventListener('abort', onAbort)
    try {
      await this.start()
      while (!signal.aborted) await rest.sleep(60_000)
    } finally {
      signal.removeEventListener('abort', onAbort)
      await this.stop()
    }
  }

  /**
   * One pass over all outboxes, for cron jobs: each takes its free lanes and delivers until nothing is due, or `limit`
   * events. Resolves with the number published; rejects with the first error when all have been seen to.
   */
  async drain(limit?: number): Promise<number> {
    const workers = Array.from(this.#members.values(), ({ worker }) => worker)
    const counts = await this.#each(workers, (worker) => this.#gate.run(() => worker.drain(limit)))
    return counts.reduce((sum, count) => sum + count, 0)
  }

  /** For `await using`: the same as `stop`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #join(outbox: PooledOutbox): PooledWorker {
    if (typeof outbox?.worker !== 'function') throw notOutboxes('outbox', outbox)
    const { name } = outbox
    if (this.#members.has(name)) {
      const message = `the pool has an outbox '${name}' already; give each Broadcaster a name of its own`
      throw new BroadcasterError('INVALID_OPTION', message, { field: 'name', value: name })
    }
    const { worker, restartInterval } = this.#options
    let member = this.#known.get(outbox)
    if (member === undefined) {
      const made = outbox.worker(worker, this.#slots.share())
      member = new PooledWorker({ outbox: name, worker: made, restartInterval, gate: (work) => this.#gate.run(work) })
      this.#known.set(outbox, member)
    }
    this.#members.set(name, member)
    return member
  }

  /** All to their end, then the first error, if any. */
  async #each<T>(workers: readonly Worker[], work: (worker: Worker) => Promise<T>): Promise<readonly T[]> {
    const ends = await Promise.allSettled(workers.map(work))
    return ends.map((end) => {
      if (end.status === 'rejected') throw end.reason
      return end.value
    })
  }
}

function notOutboxes(field: string, value: unknown): BroadcasterError {
  const message = `the pool's ${field}: ${showValue(value)}; give Broadcasters: new WorkerPool([broadcaster])`
  return new BroadcasterError('INVALID_OPTION', message, { field, value })
}
