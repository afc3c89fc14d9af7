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

/** A partition assigned to us: what to fetch next, and what may be committed. */
export class Partition {
  readonly topic: string
  readonly number: number
  /** The offset to fetch from. */
  next: bigint
  leaderEpoch = -1
  /** Offsets delivered and not concluded, in order. Concluded ones are forgotten: one record can be open for days. */
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
   * The offset that may be committed now, if it has changed: everything below it is concluded. Kafka keeps one number
   * per partition, so records concluded behind an open one wait for it.
   */
  toCommit(): bigint | undefined {
    const [first = this.#end] = this.#open
    return first > this.#committed ? first : undefined
  }

  committed(offset: bigint): void {
    if (offset > this.#committed) this.#committed = offset
  }
}
