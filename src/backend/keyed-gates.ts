import { Gate } from './gate.ts'

/** A `Gate` for each name in use; a name that nobody uses any more costs nothing. */
export class KeyedGates {
  readonly #width: number
  readonly #gates = new Map<string, { readonly gate: Gate; users: number }>()

  constructor(width: number) {
    this.#width = width
  }

  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const entry = this.#gates.get(name) ?? { gate: new Gate(this.#width), users: 0 }
    this.#gates.set(name, entry)
    entry.users++
    try {
      return await entry.gate.run(work)
    } finally {
      entry.users--
      if (entry.users === 0) this.#gates.delete(name)
    }
  }
}
