import { BroadcasterError } from '../errors.ts'
import { waitFor } from '../foundation/waiting.ts'
import { databaseError, isFromDatabase } from './database-error.ts'
import type { Wait, WaitingProgram } from './program.ts'
import type { Dialect, Row, Statement } from './statement.ts'
import type { TransactionAdapter } from './transaction-adapter.ts'

/**
 * Runs programs on the caller's transactions. What a statement throws becomes one of our errors, whatever the library:
 * see `databaseError`.
 */
export class ProgramRunner<Tx> {
  readonly #adapter: TransactionAdapter<Tx>

  /** Throws `ADAPTER_MISMATCH`. */
  constructor(adapter: TransactionAdapter<Tx>, dialect: Dialect) {
    if (adapter.dialect !== dialect) {
      throw new BroadcasterError(
        'ADAPTER_MISMATCH',
        `the transaction adapter ${adapter.name} speaks ${adapter.dialect}, the store ${dialect}; use an adapter for ${dialect}`,
        { field: 'transaction', value: adapter.name },
      )
    }
    this.#adapter = adapter
  }

  /** Throws what the adapter's `check` throws. */
  check(tx: Tx): void {
    try {
      this.#adapter.check(tx)
    } catch (error) {
      throw this.#told(error, tx)
    }
  }

  /** Whether the library itself knows that `tx` is open and not aborted. */
  isIntact(tx: Tx): boolean {
    return this.#adapter.isIntact?.(tx) ?? false
  }

  /**
   * Checks `tx`, then runs; checks it again after a wait. The first statement is sent before this yields, so that it
   * keeps its place among the caller's own.
   */
  async run<Result>(tx: Tx, program: WaitingProgram<Result>): Promise<Result> {
    this.check(tx)
    let step = program.next()
    while (!step.done) {
      const asked = step.value
      step = await this.#answer(tx, asked).then(
        (rows) => program.next(rows),
        (error: unknown) => program.throw(this.#told(error, tx, asked)),
      )
    }
    return step.value
  }

  /** The synchronous form. Throws `INVALID_OPTION` where the library has none; `method` was called: `publishSync`. */
  runSync<Result>(method: string, tx: Tx, program: WaitingProgram<Result>): Result {
    const { name, executeSync } = this.#adapter
    if (!executeSync) {
      const message = `${method} needs a synchronous library; with ${name} use ${method.replace(/Sync$/, '')}`
      throw new BroadcasterError('INVALID_OPTION', message)
    }
    this.check(tx)
    let step = program.next()
    while (!step.done) {
      const asked = step.value
      let rows: readonly Row[]
      try {
        rows = 'promise' in asked ? refuse(asked) : executeSync.call(this.#adapter, tx, asked)
      } catch (error) {
        step = program.throw(this.#told(error, tx, asked))
        continue
      }
      step = program.next(rows)
    }
    return step.value
  }

  async #answer(tx: Tx, asked: Statement | Wait): Promise<readonly Row[]> {
    if (!('promise' in asked)) return this.#adapter.execute(tx, asked)
    const { promise, limit } = asked
    const value = await (limit === undefined ? promise : waitFor(promise, limit, limit.late))
    this.check(tx)
    return value as readonly Row[]
  }

  #told(error: unknown, tx: Tx, asked?: Statement | Wait): unknown {
    if (asked && 'promise' in asked) return error
    if (error instanceof BroadcasterError && error.code === 'NOT_A_TRANSACTION') return this.#refusal(error, tx)
    if (asked && !isFromDatabase(this.#adapter.dialect, error)) {
      const ended = this.#endedMeanwhile(tx)
      if (ended) return new BroadcasterError('TRANSACTION_ENDED', ended.message, { field: 'tx', cause: error })
    }
    return databaseError(this.#adapter.dialect, error, asked)
  }

  /** The adapter's error if `tx` has ended since the program began: libraries refuse late statements without a code. */
  #endedMeanwhile(tx: Tx): BroadcasterError | undefined {
    try {
      this.#adapter.check(tx)
    } catch (error) {
      if (error instanceof BroadcasterError && error.code === 'TRANSACTION_ENDED') return error
    }
    return undefined
  }

  /** Adds which transactions are accepted: with an ORM's adapter even the store's own are refused. */
  #refusal(cause: BroadcasterError, tx: Tx): BroadcasterError {
    const message = isEvent(Array.isArray(tx) ? tx[0] : tx)
      ? 'tx is an event; the transaction comes first, and the event after it'
      : `${cause.message} (the transaction adapter here is ${this.#adapter.name}; what broadcaster.transaction gives is for a Broadcaster without one)`
    return new BroadcasterError('NOT_A_TRANSACTION', message, { field: 'tx', cause })
  }
}

/** Runs a program that must not query the database: only its waits are answered. */
export async function runChecks<Result>(program: WaitingProgram<Result>): Promise<Result> {
  let step = program.next()
  while (!step.done) {
    if (!('promise' in step.value)) throw new Error('a check asked the database')
    const { promise, limit } = step.value
    const answer = limit === undefined ? promise : waitFor(promise, limit, limit.late)
    step = await answer.then(
      (value) => program.next(value as readonly Row[]),
      (error: unknown) => program.throw(error),
    )
  }
  return step.value
}

function isEvent(value: unknown): boolean {
  const { type, source } = Object(value) as { readonly type?: unknown; readonly source?: unknown }
  return typeof type === 'string' && typeof source === 'string'
}

/** Nobody awaits the promise now, and its rejection must not end the process. */
function refuse({ promise, refusal }: Wait): never {
  promise.catch(() => undefined)
  throw refusal()
}
