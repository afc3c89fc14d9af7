/** What a relay process is to do. */
export interface RelayTask {
  readonly algorithm: 'ours' | 'seed'
  readonly postgresUrl: string
  readonly redisUrl: string
  readonly schema: string
  readonly stream: string
  readonly events: number
  readonly batchSize: number
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
  readonly postgresCpu: number | undefined
  readonly redisCpu: number | undefined
  readonly peakMemory: number
}
