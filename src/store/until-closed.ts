import { BroadcasterError } from '../errors.ts'
import type { Store } from './store.ts'

/** Members of these return programs, so they throw. All others return promises, and reject. */
const OF_PROGRAMS: ReadonlySet<PropertyKey> = new Set(['publish', 'inbox'])

/**
 * A store as one Broadcaster sees it: once that is closed every call fails with `CLOSED`, although the store may go on
 * for another Broadcaster.
 */
export function untilClosed<Tx>(store: Store<Tx>, isClosed: () => boolean): Store<Tx> {
  const seams = new Map<PropertyKey, object>()
  return new Proxy(store, {
    get(_store, name) {
      const value: unknown = Reflect.get(store, name, store)
      if (typeof value === 'function') return gated(value as Method, store, false, isClosed)
      if (typeof value !== 'object' || value === null || name === 'transactionAdapter') return value
      let seam = seams.get(name)
      if (seam === undefined) {
        seam = gatedSeam(value, OF_PROGRAMS.has(name), isClosed)
        seams.set(name, seam)
      }
      return seam
    },
  })
}

/** The error after the close. */
export function broadcasterClosed(): BroadcasterError {
  return new BroadcasterError('CLOSED', 'this Broadcaster is closed; make a new one')
}

type Method = (...given: unknown[]) => unknown

function gatedSeam<Seam extends object>(seam: Seam, isOfPrograms: boolean, isClosed: () => boolean): Seam {
  return new Proxy(seam, {
    get(_seam, name) {
      const value: unknown = Reflect.get(seam, name, seam)
      return typeof value === 'function' ? gated(value as Method, seam, isOfPrograms, isClosed) : value
    },
  })
}

function gated(method: Method, self: object, isOfPrograms: boolean, isClosed: () => boolean): Method {
  return (...given) => {
    if (!isClosed()) return Reflect.apply(method, self, given)
    if (isOfPrograms) throw broadcasterClosed()
    return Promise.reject(broadcasterClosed())
  }
}
