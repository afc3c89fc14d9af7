/** What only the connection knows about a request. */
export interface Arrival {
  /** The address of whoever connected; where a proxy stands in front, its address. Undefined: not known. */
  readonly remoteAddress: string | undefined
  /** Whether it came over TLS. */
  readonly encrypted: boolean
  /** The path as it arrived, before a framework cut off where it is mounted. */
  readonly originalPath: string
}

const arrivals = new WeakMap<Request, Arrival>()

/** Remembers how a request arrived, as long as the request exists. */
export function noteArrival(request: Request, arrival: Arrival): void {
  arrivals.set(request, arrival)
}

/** How a request arrived; undefined when it came another way than by `toNodeListener`. */
export function arrivalOf(request: Request): Arrival | undefined {
  return arrivals.get(request)
}
