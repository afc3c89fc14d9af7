import type { Pool } from 'pg'

/** What one process of an arm is to do. */
export interface PeerTask {
  readonly arm: string
  readonly url: string
  readonly schema: string
  readonly redisUrl: string
  readonly stream: string
  /** Over all processes of the arm. */
  readonly events: number
}

/** How it stands: sent at most every few milliseconds. */
export interface Progress {
  readonly delivered: number
  /** When the last of them was recorded, in ms since the epoch. */
  readonly at: number
}

/** What a process measured of itself. */
export interface PeerReport {
  readonly cpuSeconds: number
  /** Bytes. */
  readonly peakMemory: number
}

/** A relay that is ready to begin. */
export interface Relay {
  /** Begins; resolves when it is under way, or through. */
  start(): Promise<void>
  close(): Promise<void>
}

/** One way from the database to the stream. */
export interface Contender {
  /** Makes the tables in the schema, with `events` rows that wait. Runs in the parent process. */
  fill(pool: Pool, task: PeerTask): Promise<void>
  /** Opens connections. `delivered` is called with how many more are acknowledged and recorded. */
  open(task: PeerTask, delivered: (count: number) => void): Promise<Relay>
}

/** One event of about 300 bytes, as every arm stores it. */
export interface BenchEvent {
  readonly type: string
  readonly source: string
  readonly data: object
  readonly partitionKey: string
}

const PADDING = 'x'.repeat(200)

/** Events `from` to `to`, with `keys` keys. */
export function benchEvents(from: number, to: number, keys: number): readonly BenchEvent[] {
  return Array.from({ length: to - from }, (_, n) => ({
    type: 'order.created',
    source: '/bench/orders',
    data: { order: from + n, padding: PADDING },
    partitionKey: `key-${(from + n) % keys}`,
  }))
}

/** Calls `insert` with all events of the task, in parts. */
export async function fillInParts(
  { events }: PeerTask,
  keys: number,
  insert: (part: readonly BenchEvent[]) => Promise<unknown>,
): Promise<void> {
  for (let done = 0; done < events; done += 5_000) await insert(benchEvents(done, Math.min(events, done + 5_000), keys))
}

/** Entries that a stream keeps, in every arm. */
export const STREAM_LENGTH = 1_000_000
/** Keys of the events, where there is more than one. */
export const KEYS = 2_000
