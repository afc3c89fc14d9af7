import { Gate } from '../gate.ts'

/** A place that requests are under way to. */
export interface Place {
  /** When it last answered one of them, on `performance.now()`. */
  answeredAt: number
}

/** Each place has room of its own; one that no request is under way to costs nothing. */
export class Places {
  readonly #width: number
  readonly #places = new Map<string, Place & { readonly gate: Gate; users: number }>()

  /** `width`: how many requests to one place may be under way at once. */
  constructor(width: number) {
    this.#width = width
  }

  async run<T>(name: string, work: (place: Place) => Promise<T>): Promise<T> {
    const known = this.#places.get(name)
    const place = known ?? { gate: new Gate(this.#width), users: 0, answeredAt: Number.NEGATIVE_INFINITY }
    this.#places.set(name, place)
    place.users++
    try {
      return await place.gate.run(() => work(place))
    } finally {
      place.users--
      if (place.users === 0) this.#places.delete(name)
    }
  }
}
