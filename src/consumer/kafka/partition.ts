/** A record that was fetched. */
export interface FetchedRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly leaderEpoch: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly (readonly [Buffer | null, Buffer | null])[]
}

/** One of our partitions: what to fetch next, and what may be committed. */
export class Partition {
  readonly topic: string
  readonly number: number
  /** The offset to fetch from. */
  next: bigint
  leaderEpoch = -1
  /** What was handed out, in order; true = done with it. */
  readonly #handed = new Map<bigint, boolean>()
  #committed: bigint
  /** Everything below it is done. */
  #position: bigint

  constructor(topic: string, number: number, start: bigint) {
    this.topic = topic
    this.number = number
    this.next = start
    this.#committed = start
    this.#position = start
  }

  hand(offset: bigint): void {
    this.#handed.set(offset, false)
  }

  done(offset: bigint): void {
    if (this.#handed.has(offset)) this.#handed.set(offset, true)
  }

  /**
   * The offset that may be committed now, if it is another than before: everything below it is done. Kafka keeps one number
   * for a partition, so what was done behind something that is not waits for it.
   */
  toCommit(): bigint | undefined {
    for (const [offset, done] of this.#handed) {
      if (!done) break
      this.#handed.delete(offset)
      this.#position = offset + 1n
    }
    return this.#position > this.#committed ? this.#position : undefined
  }

  committed(offset: bigint): void {
    if (offset > this.#committed) this.#committed = offset
  }
}
