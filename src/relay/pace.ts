/** Over how long a rate is measured, in ms: what came before that counts for a third. */
const SPAN = 500
/** More than this a second is read by the dozen: of events found, and of calls that there are some. */
const BRISK = { events: 1_000, calls: 500 }
/** More than this a second is not announced commit by commit: many workers are all called for each. */
const RUSH = { events: 2_000, calls: 1_000 }

/** How fast events come to one relay, by what it finds and by how often it is called to look. */
export class Pace {
  readonly #events = new Rate()
  readonly #calls = new Rate()

  /** So many events were found just now. */
  found(count: number): void {
    this.#events.add(count)
  }

  /** Events were announced. */
  called(): void {
    this.#calls.add(1)
  }

  /** To look at each call would cost more than it saves: better a little later, for several at once. */
  get isBrisk(): boolean {
    return this.#exceeds(BRISK)
  }

  /** To be called for each commit would cost more than it saves. */
  get isRush(): boolean {
    return this.#exceeds(RUSH)
  }

  #exceeds({ events, calls }: { readonly events: number; readonly calls: number }): boolean {
    return this.#events.perSecond > events || this.#calls.perSecond > calls
  }
}

class Rate {
  #sum = 0
  #at = performance.now()

  add(count: number): void {
    this.#sum = this.#left() + count
    this.#at = performance.now()
  }

  get perSecond(): number {
    return (1_000 * this.#left()) / SPAN
  }

  #left(): number {
    return this.#sum * Math.exp((this.#at - performance.now()) / SPAN)
  }
}
