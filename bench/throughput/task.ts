import type { StorePlace } from '../../test/support/store-places.ts'

/** What a relay process is to do. */
export interface RelayTask {
  readonly algorithm: 'ours' | 'seed'
  readonly place: StorePlace
  readonly redisUrl: string
  readonly stream: string
  readonly events: number
  readonly batchSize: number
  /** Entries that the stream keeps, about. Default 1,000,000. */
  readonly maxLength?: number
}

/** What it measured of itself. */
export interface RelayReport {
  readonly seconds: number
  readonly cpuSeconds: number
  /** Bytes. */
  readonly peakMemory: number
}

/** One run with what its servers used. CPU in microseconds for each event; absent where it cannot be read. */
export interface Run {
  readonly algorithm: 'ours' | 'seed'
  readonly events: number
  readonly eventsPerSecond: number
  readonly relayCpu: number
  /** Of the database's server; absent for SQLite, which has none. */
  readonly storeCpu: number | undefined
  readonly redisCpu: number | undefined
  readonly peakMemory: number
}
