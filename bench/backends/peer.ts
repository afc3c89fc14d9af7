import type { Backend } from '../../src/backend/backend.ts'

/** An event as the client's own loop sends it: the same bytes as the backend writes. */
export interface Payload {
  readonly id: string
  readonly key: string
  readonly body: Buffer
}

/** A broker, its backend, and the best that its client does by itself. */
export interface Peer {
  readonly title: string
  /** As the kernel calls the server's process: `redis-server`. */
  readonly process: string
  /** What the loop is, in a few words. */
  readonly loop: string
  open(place: string): Promise<OpenPeer>
}

export interface OpenPeer {
  readonly backend: Backend
  /** Sends all of them; resolves when the broker has acknowledged every one. */
  send(payloads: readonly Payload[]): Promise<void>
  /** Removes what was written, and closes. */
  close(): Promise<void>
}

/** The names of the files beside this one. */
export const PEERS = ['redis-streams', 'kafka', 'kafka-fenced', 'nats', 'rabbitmq', 'mqtt', 'webhook'] as const

/** Runs `work` for every item, `width` at a time. */
export async function inFlight<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item)
  }
  await Promise.all(Array.from({ length: width }, lane))
}
