import { BroadcasterError } from '../errors.ts'

/** A transaction lent to user code. */
export interface LentHandle<T> {
  readonly handle: T
  /**
   * From now on every use of it throws `TRANSACTION_ENDED`. True when a call through it is still unanswered: its user
   * goes on working, and the connection cannot be reused.
   */
  end(): boolean
}

/** What each handle is lent of. */
const targets = new WeakMap<object, object>()

/** What stays the same behind the handles of one transaction after the other: to know it again, and not to use it. */
export function behindHandle(tx: object): object {
  return targets.get(tx) ?? tx
}

/**
 * A handle to `target` that refuses once its time is up. The connection behind it goes on to other work, where a late
 * statement of code that outlived its timeout must not end up.
 */
export function lentHandle<T extends object>(target: T): LentHandle<T> {
  let ended = false
  let underWay = 0
  const functions = new Map<PropertyKey, unknown>()

  const check = (): void => {
    if (!ended) return
    throw new BroadcasterError(
      'TRANSACTION_ENDED',
      'tx belongs to a transaction that is over: its callback has returned, or took longer than its timeout; use tx only in it, and await what it does',
      { field: 'tx' },
    )
  }
  const done = (): void => {
    underWay--
  }
  const call = (work: (...given: unknown[]) => unknown, self: unknown, given: unknown[]): unknown => {
    check()
    // With the target as `this`: it may have private fields.
    const result = Reflect.apply(work, self === handle ? target : self, given)
    // Only plain promises: a query of postgres.js is sent when it is awaited, and may be part of another.
    if (result instanceof Promise && result.constructor === Promise) {
      underWay++
      result.then(done, done)
    }
    return result
  }
  const handle: T = new Proxy(target, {
    get(_target, name) {
      // Read from whatever is awaited or printed.
      if (typeof name === 'symbol' || name === 'then' || name === 'constructor')
        return Reflect.get(target, name, target)
      check()
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function' || isFixed(target, name)) return value
      let wrapped = functions.get(name)
      if (wrapped === undefined) {
        wrapped = new Proxy(value as (...given: unknown[]) => unknown, { apply: call })
        functions.set(name, wrapped)
      }
      return wrapped
    },
    set: (_target, name, value) => Reflect.set(target, name, value, target),
    // A library whose transaction is itself a function: Knex.
    apply: (_target, self, given) => call(target as unknown as (...given: unknown[]) => unknown, self, given),
  })
  targets.set(handle, target)
  return {
    handle,
    end() {
      ended = true
      return underWay > 0
    },
  }
}

/** A proxy must return the original value of such a property. */
function isFixed(target: object, name: PropertyKey): boolean {
  const property = Reflect.getOwnPropertyDescriptor(target, name)
  return property?.configurable === false && property.writable === false
}
