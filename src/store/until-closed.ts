import { BroadcasterError } from '../errors.ts'
import type { Store } from './store.ts'

/** Their members return programs, which are run by whoever asked: they throw. All others return promises, and reject. */
const OF_PROGRAMS: ReadonlySet<PropertyKey> = new Set(['publish', 'inbox'])

/**
 * The store as one Broadcaster has it: once that is closed everything says `CLOSED`, though the store goes on, in the hands of another
 * Broadcaster or on a pool that was injected.
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

/** What to say from now on. */
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
