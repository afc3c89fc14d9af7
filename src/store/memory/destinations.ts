import { type DestinationStore, LONGEST_PROBE_WAIT, MOST_DESTINATIONS } from '../coordination-store.ts'
import type { MemoryDestination, MemoryOutbox } from './memory-outbox.ts'

/** The open breakers of destinations, in memory. */
export function memoryDestinations(outbox: MemoryOutbox): DestinationStore {
  const of = (backend: string): Map<string, MemoryDestination> => {
    const known = outbox.destinations.get(backend) ?? new Map<string, MemoryDestination>()
    outbox.destinations.set(backend, known)
    return known
  }
  return {
    async list(backend) {
      const now = outbox.now()
      return [...of(backend)]
        .map(([destination, { probeAt, since, error }]) => ({
          destination,
          probeIn: Math.min(LONGEST_PROBE_WAIT, probeAt - now),
          since: now - since,
          error,
        }))
        .sort((one, other) => (one.destination < other.destination ? -1 : 1))
    },
    async open(backend, destination, probeAfter, error) {
      const known = of(backend)
      if (known.has(destination)) return false
      // In the order in which they were opened.
      const [oldest] = known.keys()
      if (known.size >= MOST_DESTINATIONS && oldest !== undefined) known.delete(oldest)
      const now = outbox.now()
      known.set(destination, { probeAt: now + probeAfter, since: now, error })
      return true
    },
    async tryProbe(backend, destination, again) {
      const one = of(backend).get(destination)
      const now = outbox.now()
      if (one === undefined || (one.probeAt > now && one.probeAt <= now + LONGEST_PROBE_WAIT)) return false
      one.probeAt = now + again
      return true
    },
    async postpone(backend, destination, probeAfter, error) {
      const one = of(backend).get(destination)
      if (one) Object.assign(one, { probeAt: outbox.now() + probeAfter, error })
    },
    close: async (backend, destination) => of(backend).delete(destination),
  }
}
