import { randomUUID } from 'node:crypto'
import {
  type BreakerStore,
  type CoordinationStore,
  type Lane,
  LONGEST_BREAKER_WAIT,
  type Survey,
} from '../coordination-store.ts'
import { memoryDestinations } from './destinations.ts'
import type { MemoryLane, MemoryOutbox } from './memory-outbox.ts'

/** Workers, lanes and breakers, in memory. */
export function memoryCoordination(outbox: MemoryOutbox): CoordinationStore {
  const stored = (lane: Lane): MemoryLane | undefined =>
    outbox.lanes.find((each) => each.backend === lane.backend && each.lane === lane.lane)

  const look = async (backends: readonly string[]): Promise<Survey> => {
    const now = outbox.now()
    return {
      workers: [...outbox.workers.values()]
        .filter(({ leaseUntil }) => leaseUntil > now)
        .map(({ leaseUntil, ...worker }) => ({ ...worker, leaseLeft: leaseUntil - now })),
      lanes: outbox.lanes.filter((lane) => backends.includes(lane.backend)).map((lane) => shown(lane, now)),
      breakers: [...outbox.breakers]
        .filter(([backend]) => backends.includes(backend))
        .map(([backend, { open, probeAt, since, error }]) => ({
          backend,
          open,
          probeIn: probeAt - now,
          since: since === null ? null : now - since,
          error,
        })),
    }
  }

  return {
    async enter({ name, backends, lease, transient = false }) {
      for (const backend of backends) outbox.makeLanes(backend)
      const id = randomUUID()
      const listed = transient ? [] : [...backends]
      outbox.workers.set(id, { id, name, backends: listed, leaseUntil: outbox.now() + lease })
      return id
    },

    async renew(workerId, lease) {
      const worker = outbox.workers.get(workerId)
      if (!worker || worker.leaseUntil <= outbox.now()) return false
      worker.leaseUntil = outbox.now() + lease
      return true
    },

    async survey(backends) {
      const now = outbox.now()
      for (const worker of [...outbox.workers.values()]) {
        if (worker.leaseUntil <= now) outbox.workers.delete(worker.id)
      }
      return look(backends)
    },

    look,

    async claim(workerId, lanes) {
      const worker = outbox.workers.get(workerId)
      if (!worker || worker.leaseUntil <= outbox.now()) return []
      return lanes.flatMap((seen) => {
        const lane = stored(seen)
        if (!lane || lane.fence !== seen.fence) return []
        lane.owner = workerId
        lane.fence++
        return [shown(lane, outbox.now())]
      })
    },

    async quiet(workerId, lanes) {
      const now = outbox.now()
      return lanes.flatMap((seen) => {
        const lane = stored(seen)
        if (!lane || lane.owner !== workerId || lane.fence !== seen.fence) return []
        lane.fence++
        lane.quietFor = lane.hold
        if (lane.holdUntil !== null && lane.holdUntil <= now) lane.holdUntil = null
        return [shown(lane, now)]
      })
    },

    async release(workerId, lanes) {
      for (const seen of lanes) {
        const lane = stored(seen)
        if (lane && lane.owner === workerId && lane.fence === seen.fence) lane.owner = null
      }
      outbox.wake()
    },

    async leave(workerId) {
      for (const lane of outbox.lanes) if (lane.owner === workerId) lane.owner = null
      outbox.workers.delete(workerId)
      outbox.wake()
    },

    breakers: memoryBreakers(outbox),
    destinations: memoryDestinations(outbox),
  }
}

function shown({ holdUntil, ...lane }: MemoryLane, now: number): Lane {
  return { ...lane, holdLeft: holdUntil === null ? null : holdUntil - now }
}

function memoryBreakers(outbox: MemoryOutbox): BreakerStore {
  return {
    async open(backend, probeAfter, error) {
      if (outbox.breakers.get(backend)?.open) return false
      const now = outbox.now()
      outbox.breakers.set(backend, { open: true, probeAt: now + probeAfter, since: now, error })
      return true
    },
    async tryProbe(backend, again) {
      const breaker = outbox.breakers.get(backend)
      const wait = (breaker?.probeAt ?? 0) - outbox.now()
      if (!breaker?.open || (wait > 0 && wait <= LONGEST_BREAKER_WAIT)) return false
      breaker.probeAt = outbox.now() + again
      return true
    },
    async postpone(backend, probeAfter, error) {
      const breaker = outbox.breakers.get(backend)
      if (!breaker?.open) return
      breaker.probeAt = outbox.now() + probeAfter
      breaker.error = error
    },
    async close(backend) {
      const breaker = outbox.breakers.get(backend)
      if (!breaker?.open) return false
      breaker.open = false
      breaker.since = outbox.now()
      return true
    },
  }
}
