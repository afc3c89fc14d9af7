import type { RetentionOptions } from '../../src/retention/retention-options.ts'

/** What a worker in a process of its own is to do. */
export interface SoakTask {
  readonly url: string
  readonly schema: string
  readonly redisUrl: string
  readonly stream: string
  /** Entries that the stream keeps, about. */
  readonly maxLength: number
  /** Its retention; false = none. Default: the usual one. */
  readonly retention?: RetentionOptions | false
}

/** How it is. */
export interface SoakReport {
  /** Since the start. */
  readonly published: number
  /** Bytes, now. */
  readonly memory: number
  /** Since the start, in seconds. */
  readonly cpu: number
  /** Deleted by the retention since the start. */
  readonly purged: number
  /** What the retention asked of the database since the start: the longest, in ms. */
  readonly longestPurge: number
}

/** Before the first report. */
export const NOTHING_YET: SoakReport = { published: 0, memory: 0, cpu: 0, purged: 0, longestPurge: 0 }
