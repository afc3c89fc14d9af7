import type { Backend } from '../backend/backend.ts'
import type { Pulse } from '../health/pulse.ts'
import type { RecordSource } from '../record/record-source.ts'
import type { CoordinationStore } from '../store/coordination-store.ts'
import type { RelayStore } from '../store/relay-store.ts'
import type { SignalSource } from '../telemetry/signals.ts'
import type { BreakerOptions } from './breaker.ts'
import type { ByteRoom } from './byte-rooms.ts'
import type { FlowTally } from './flow-tally.ts'
import type { Lease } from './lease.ts'
import type { FailurePolicy } from './outcomes.ts'
import type { RelayHooks } from './send-hooks.ts'
import type { SendShare } from './send-slots.ts'
import type { Waker } from './waker.ts'

/** What one cycle works with. Durations are in milliseconds. */
export interface CycleOptions {
  /** The backend's name. */
  readonly name: string
  /** The names in the rows that it answers to: its own, and '' for the default backend. */
  readonly names: readonly string[]
  readonly backend: Backend
  readonly store: {
    readonly relay: RelayStore
    readonly coordination: Pick<CoordinationStore, 'breakers' | 'destinations' | 'rates'>
  }
  readonly records: RecordSource
  readonly lease: Lease
  /** Beats at each turn of the loop. */
  readonly pulse: Pulse
  readonly waker: Waker
  readonly signals: SignalSource
  readonly hooks?: RelayHooks | undefined
  /** The worker's name, for signals. */
  readonly worker: string
  readonly failure: FailurePolicy
  /** Counts what is recorded. */
  readonly flow: Pick<FlowTally, 'add'>
  readonly breaker: BreakerOptions
  /** Events in one send. */
  readonly batchSize: number
  /** Sends in flight. */
  readonly concurrency: number
  /** Events in memory, waiting, in flight or being settled. */
  readonly maxInHand: number
  /** For the data of those. */
  readonly room: ByteRoom
  /** Bytes of data in one send; one event that has more goes alone. */
  readonly maxBatchBytes: number
  /** How long one send may take. */
  readonly timeout: number
  readonly pollInterval: number
  readonly idleInterval: number
  /** Within which each lane is reconciled, whatever happens. */
  readonly reconcileInterval: number
  /** The outbox's part of the sends that several outboxes share; absent = they share nothing. */
  readonly share?: SendShare | undefined
  /** How many events may still be taken, shared by the cycles of one drain; absent = no limit. */
  readonly budget?: { left: number }
  readonly onError: (error: unknown) => void
}
