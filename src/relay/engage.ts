import type { Backend } from '../backend/backend.ts'
import { ByteRooms } from './byte-rooms.ts'
import { Cycle } from './cycle.ts'
import { FlowTally } from './flow-tally.ts'
import { FlowWriter } from './flow-writer.ts'
import { LaneKeeper } from './lane-keeper.ts'
import { Lease } from './lease.ts'
import { Loops } from './loops.ts'
import { patientCoordination, patientRelay } from './patient-store.ts'
import { reliablePolicy } from './retry.ts'
import type { Shift } from './shift.ts'
import { OutageLog } from './told-outages.ts'
import { Unserved } from './unserved.ts'
import { Waker } from './waker.ts'
import type { WorkerParts } from './worker.ts'
import type { ResolvedWorkerOptions } from './worker-options.ts'

export interface EngagementOptions {
  readonly parts: WorkerParts
  readonly options: ResolvedWorkerOptions
  readonly served: readonly (readonly [string, Backend])[]
  /** How long one statement may take, in milliseconds. */
  readonly statementTime: number
  /** A one-shot drain, with how many events it may take. */
  readonly transient: boolean
  readonly budget?: { left: number } | undefined
}

/** What works together between a start and a stop, or in one drain. */
export interface Engagement
  extends Pick<Shift, 'keeper' | 'cycles' | 'waker' | 'unserved' | 'loops' | 'flow' | 'outages'> {
  readonly onError: (error: unknown) => void
}

/** Puts it together; begins nothing. */
export function engage(engagement: EngagementOptions): Engagement {
  const { parts, options, served, statementTime, transient, budget } = engagement
  const { store, signals, hooks, records, defaultBackend, share } = parts
  const { name: worker, retry, onFailed, sendTimeout, maxRetryAfter, ...sizes } = options
  const onError = (error: unknown): void => signals.emit('worker.error', { worker, error })
  const { retention } = options
  const erasePublished = retention !== false && retention.published === 'delete'
  const policy = reliablePolicy(retry, onError)
  const failure = { retry: policy, onFailed, erasePublished, maxRetryAfter, random: Math.random }
  const lease = new Lease(sizes.lease)
  const loops = new Loops(served, options, statementTime)
  const relay = patientRelay(store.relay, statementTime)
  const { history } = store
  const outages = new OutageLog({ history, by: worker, statementTime, onError })
  const coordination = outages.watch(patientCoordination(store.coordination, statementTime))
  const tally = new FlowTally()
  const flow = new FlowWriter({ tally, history, statementTime, onError })
  const waker = new Waker(transient ? undefined : store.wake, onError, statementTime)
  const rooms = new ByteRooms(options.maxInFlightBytes)
  const cycles = served.map(([name, backend]) => {
    const cycle = new Cycle({
      ...sizes,
      name,
      names: name === defaultBackend ? [name, ''] : [name],
      backend,
      store: { relay, coordination },
      records,
      lease,
      pulse: loops.cycle(name),
      waker,
      signals,
      hooks,
      room: rooms.room(),
      worker,
      share,
      failure,
      flow: tally,
      timeout: backend.timeout ?? sendTimeout,
      onError,
      ...(budget && { budget }),
    })
    waker.add(cycle)
    return cycle
  })
  const keeper = new LaneKeeper({
    store: coordination,
    lease,
    pulse: loops.heartbeat,
    cycles,
    signals,
    worker,
    transient,
    isQuiet: () => waker.isQuiet,
    idleInterval: sizes.idleInterval,
    onAnswered: () => waker.storeAnswered(),
    onError,
  })
  const unserved = new Unserved({
    relay,
    coordination,
    defaultBackend,
    served: served.map(([name]) => name),
    grace: sizes.lease,
    interval: sizes.reconcileInterval,
    onFound: (backend) => signals.emit('backend.unserved', { worker, backend }),
    onError,
  })
  if (!transient) waker.watch(() => keeper.wake())
  return { keeper, cycles, waker, unserved, loops, flow, outages, onError }
}
