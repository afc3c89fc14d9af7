import { Gate } from '../backend/gate.ts'

/** A place that has requests in flight. */
export interface WebhookPlace {
  /** When it last answered one of them, on `performance.now()`. */
  answeredAt: number
}

/** Each place has its own room; a place without a request in flight costs nothing. */
export class Places {
  readonly #width: number
  readonly #places = new Map<string, WebhookPlace & { readonly gate: Gate; users: number }>()

  /** `width`: how many requests to one place may be in flight at once. */
  constructor(width: number) {
    this.#width = width
  }

  async run<T>(name: string, work: (place: WebhookPlace) => Promise<T>): Promise<T> {
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
