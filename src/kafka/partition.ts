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
  /** What was delivered and is not done, in order. What is done is forgotten: one record can be open for days. */
  readonly #open = new Set<bigint>()
  /** Where what was delivered ends. */
  #end: bigint
  #committed: bigint

  constructor(topic: string, number: number, start: bigint) {
    this.topic = topic
    this.number = number
    this.next = start
    this.#end = start
    this.#committed = start
  }

  hand(offset: bigint): void {
    this.#open.add(offset)
    if (offset >= this.#end) this.#end = offset + 1n
  }

  done(offset: bigint): void {
    this.#open.delete(offset)
  }

  /**
   * The offset that may be committed now, if it is another than before: everything below it is done. Kafka keeps one number
   * for a partition, so what was done behind something that is not waits for it.
   */
  toCommit(): bigint | undefined {
    const [first = this.#end] = this.#open
    return first > this.#committed ? first : undefined
  }

  committed(offset: bigint): void {
    if (offset > this.#committed) this.#committed = offset
  }
}
