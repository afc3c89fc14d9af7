import type { BroadcasterError } from '../errors.ts'
import type { Row, Statement } from './statement.ts'

/**
 * What to do on a transaction, independent of who runs it, with or without promises: yields each statement, is given
 * its rows, and returns a result. A database error is thrown where the statement was yielded.
 */
export type Program<Result> = Generator<Statement, Result, readonly Row[]>

/** A program that also calls code that may be asynchronous. */
export type WaitingProgram<Result> = Generator<Statement | Wait, Result, readonly Row[]>

/** Something to wait for, which a synchronous run cannot do. */
export interface Wait {
  readonly promise: Promise<unknown>
  /** The error of a synchronous run. */
  readonly refusal: () => BroadcasterError
  /** How long it may take. Default: no limit. */
  readonly limit?: WaitTime | undefined
}

/** How long user code may take. */
export interface WaitTime {
  /** Milliseconds. */
  readonly timeout: number
  readonly late: () => BroadcasterError
}

/** Runs a program; `answer` runs each statement. What it throws is thrown into the program. */
export async function runProgram<Result>(
  program: Program<Result>,
  answer: (statement: Statement) => Promise<readonly Row[]>,
): Promise<Result> {
  let step = program.next()
  while (!step.done) step = program.next(await answer(step.value))
  return step.value
}

/** The same without a promise. */
export function runProgramSync<Result>(
  program: Program<Result>,
  answer: (statement: Statement) => readonly Row[],
): Result {
  let step = program.next()
  while (!step.done) step = program.next(answer(step.value))
  return step.value
}

/** The values, after a wait where some are promises; `refuse` is called with the first that is one. */
export function* settled<T>(
  values: readonly (T | PromiseLike<T>)[],
  refuse: (index: number) => BroadcasterError,
  limit?: WaitTime,
): WaitingProgram<readonly T[]> {
  const first = values.findIndex(isPromise)
  if (first < 0) return values as readonly T[]
  const settled: unknown = yield { promise: Promise.all(values), refusal: () => refuse(first), limit }
  return settled as readonly T[]
}

function isPromise(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
