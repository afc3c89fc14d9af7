import { BroadcasterError } from '../errors.ts'
import { innerErrors, memberOf } from '../foundation/inner-errors.ts'

/** SQLSTATE `in_failed_sql_transaction`. */
const FAILED_TRANSACTION = '25P02'

/** `tx` is not a transaction: `what` it is instead, and the `cure`. */
export function notATransaction(what: string, cure: string): BroadcasterError {
  return new BroadcasterError('NOT_A_TRANSACTION', `tx is ${what}, not an open transaction; ${cure}`, { field: 'tx' })
}

/** `tx` was a transaction and has ended; `what` names it: `a Knex transaction`. */
export function transactionEnded(what: string, cause?: unknown): BroadcasterError {
  return new BroadcasterError(
    'TRANSACTION_ENDED',
    `tx is ${what} that has ended; publish before COMMIT or ROLLBACK, and await each query`,
    { field: 'tx', cause },
  )
}

/** `tx` is a transaction that can only be rolled back. */
export function transactionAborted(what: string, cause?: unknown): BroadcasterError {
  return new BroadcasterError(
    'TRANSACTION_ABORTED',
    `tx is ${what} that was aborted by an earlier error; roll back, to a savepoint or completely`,
    { field: 'tx', cause },
  )
}

/** One of our statements failed. PostgreSQL refuses everything after an error: `TRANSACTION_ABORTED`. */
export function refuseAborted(what: string): (error: unknown) => never {
  return (error) => {
    throw hasCode(error, FAILED_TRANSACTION) ? transactionAborted(what, error) : error
  }
}

/** Whether an error, or the driver's error inside it, has this code: a text, or a number of MySQL. */
export function hasCode(error: unknown, code: string | number): boolean {
  const of = (name: string): unknown => innerWith(error, name, (value) => String(value) === String(code))
  return ['code', 'originalCode', 'errno'].some((name) => of(name) !== undefined)
}

/** The error, or the first one inside it, that has a member `name` that fits. */
export function innerWith(
  error: unknown,
  name: string,
  fits = (value: unknown): boolean => value !== undefined,
): unknown {
  return innerErrors(error).find((each) => fits(memberOf(each, name)))
}

/** Whether a value has members; functions too, as the transactions of Knex and postgres.js are. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

/** Whether a value has all these methods. */
export function hasMethods(value: unknown, ...names: readonly string[]): boolean {
  return isObject(value) && names.every((name) => typeof value[name] === 'function')
}

/** A wrong value in words. */
export function describe(value: unknown): string {
  if (value === null) return 'null'
  if (!isObject(value)) return `a value of type ${typeof value}`
  const made: unknown = value['constructor']
  const name = typeof made === 'function' && made !== Object ? made.name : ''
  return /^\w+$/.test(name) ? `of the class ${name}` : 'something else'
}
