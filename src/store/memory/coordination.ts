import { randomUUID } from 'node:crypto'
import {
  type BreakerStore,
  type CoordinationStore,
  type DestinationStore,
  type LaneRow,
  LONGEST_BREAKER_WAIT,
  LONGEST_HOLD,
  LONGEST_LEASE,
  LONGEST_PROBE_WAIT,
  MOST_DESTINATIONS,
  type Survey,
} from '../coordination-store.ts'
import type { DutyStore } from '../duty-store.ts'
import type { MemoryDestination, MemoryLane, MemoryOutbox } from './memory-outbox.ts'
import { memoryRates } from './take-permits.ts'

/** Workers, lanes and breakers, in memory. */
export function memoryCoordination(outbox: MemoryOutbox): CoordinationStore {
  const stored = (lane: LaneRow): MemoryLane | undefined =>
    outbox.lanes.find((each) => each.backend === lane.backend && each.lane === lane.lane)

  const look = async (backends: readonly string[]): Promise<Survey> => {
    const now = outbox.now()
    return {
      workers: [...outbox.workers.values()]
        .filter(({ leaseUntil }) => leaseUntil > now)
        .map(({ leaseUntil, ...worker }) => ({ ...worker, leaseLeft: Math.min(LONGEST_LEASE, leaseUntil - now) })),
      lanes: outbox.lanes.filter((lane) => backends.includes(lane.backend)).map((lane) => shown(lane, now)),
      breakers: [...outbox.breakers]
        .filter(([backend]) => backends.includes(backend))
        .map(([backend, { open, probeAt, since, error, paused }]) => ({
          backend,
          open,
          probeIn: probeAt - now,
          since: since === null ? null : Math.max(0, now - since),
          error,
          paused: paused && { by: paused.by, reason: paused.reason, since: Math.max(0, now - paused.at) },
        })),
    }
  }

  return {
    async enter({ name, backends, lease, transient = false, version }) {
      for (const backend of backends) outbox.makeLanes(backend)
      const id = randomUUID()
      const listed = transient ? [] : [...backends]
      outbox.workers.set(id, { id, name, backends: listed, version: version ?? null, leaseUntil: outbox.now() + lease })
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
        else worker.leaseUntil = Math.min(worker.leaseUntil, now + LONGEST_LEASE)
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
        if (seen.hold > Math.abs(lane.quietFor)) lane.quietFor = seen.hold
        if (holdLeft(lane, now) === 0) lane.holdUntil = null
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
    rates: memoryRates(outbox),
    duties: memoryDuties(outbox),
  }
}

function shown({ holdUntil, ...lane }: MemoryLane, now: number): LaneRow {
  return { ...lane, holdLeft: holdLeft({ holdUntil }, now) }
}

function holdLeft({ holdUntil }: Pick<MemoryLane, 'holdUntil'>, now: number): number | null {
  if (holdUntil === null) return null
  const left = holdUntil - now
  return left > LONGEST_HOLD ? 0 : Math.max(0, left)
}

function memoryBreakers(outbox: MemoryOutbox): BreakerStore {
  return {
    async open(backend, probeAfter, error) {
      const known = outbox.breakers.get(backend)
      if (known?.open) return false
      const now = outbox.now()
      const paused = known?.paused ?? null
      outbox.breakers.set(backend, { open: true, probeAt: now + probeAfter, since: now, error, paused })
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
    async pause(backend, by, reason) {
      const at = outbox.now()
      const breaker = outbox.breakers.get(backend) ?? { open: false, probeAt: at, since: at, error: '', paused: null }
      if (breaker.paused !== null) return false
      outbox.breakers.set(backend, { ...breaker, paused: { by, reason, at } })
      outbox.wake()
      return true
    },
    async resume(backend) {
      const breaker = outbox.breakers.get(backend)
      if (!breaker?.paused) return false
      breaker.paused = null
      outbox.wake()
      return true
    },
  }
}

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
          since: Math.max(0, now - since),
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

function memoryDuties(outbox: MemoryOutbox): DutyStore {
  return {
    async take(duty, holder, lease) {
      const now = outbox.now()
      const held = outbox.duties.get(duty)
      const isOver = held === undefined || held.leaseUntil <= now || held.leaseUntil > now + LONGEST_LEASE
      if (!isOver && held.holder !== holder) return false
      outbox.duties.set(duty, { holder, leaseUntil: now + lease })
      return true
    },
    async giveBack(duty, holder) {
      if (outbox.duties.get(duty)?.holder === holder) outbox.duties.delete(duty)
    },
  }
}
