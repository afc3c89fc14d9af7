import { type FlowCounts, TOOK_COUNTS } from '../store/history-store.ts'
import type { Outcome } from '../store/relay-store.ts'
import type { HeldEvent } from './held-event.ts'

/** Deliveries of one backend whose times are looked up each time that counts are written down. */
const SAMPLE = 100

/** What was counted of one backend, and some of the delivered. */
export interface Tallied {
  readonly counts: FlowCounts
  /** Ids of deliveries, a fair choice among all of them. */
  readonly sample: readonly string[]
}

/** What a worker recorded since it last wrote it down: some numbers for each backend, whatever the number of events. */
export class FlowTally {
  readonly #backends = new Map<string, BackendTally>()
  #seq = 0

  add(backend: string, held: HeldEvent, outcome: Outcome): void {
    if (held.seq > this.#seq) this.#seq = held.seq
    let own = this.#backends.get(backend)
    if (own === undefined) this.#backends.set(backend, (own = new BackendTally()))
    own.add(held, outcome)
  }

  /** Takes what there is, and begins anew; undefined = nothing was counted. */
  take(): { readonly seq: number; readonly backends: readonly Tallied[] } | undefined {
    const backends = [...this.#backends].flatMap(([backend, tally]) => tally.take(backend) ?? [])
    return backends.length === 0 ? undefined : { seq: this.#seq, backends }
  }

  /** The greatest `seq` seen. */
  get seq(): number {
    return this.#seq
  }
}

class BackendTally {
  #delivered = 0
  #retried = 0
  #failed = 0
  #sample: string[] = []

  add(held: HeldEvent, outcome: Outcome): void {
    if (outcome.kind === 'published') this.#deliver(held.id)
    else if (outcome.kind === 'failed') this.#failed++
    // Without an attempt spent it only waits.
    else if (outcome.kind === 'retry' && outcome.retryCount !== held.retryCount) this.#retried++
  }

  take(backend: string): Tallied | undefined {
    const [delivered, retried, failed, sample] = [this.#delivered, this.#retried, this.#failed, this.#sample]
    if (delivered + retried + failed === 0) return undefined
    this.#delivered = this.#retried = this.#failed = 0
    this.#sample = []
    return { counts: { backend, delivered, retried, failed, took: new Array(TOOK_COUNTS).fill(0) }, sample }
  }

  /** Of all deliveries each is in the sample with the same probability. */
  #deliver(id: string): void {
    const n = this.#delivered++
    if (n < SAMPLE) this.#sample.push(id)
    else {
      const place = Math.floor(Math.random() * (n + 1))
      if (place < SAMPLE) this.#sample[place] = id
    }
  }
}
