/** Gathers the ids of one moment, so that a thousand acknowledgements are one command. */
export class IdBatch {
  readonly #send: (ids: readonly string[]) => Promise<void>
  #ids: string[] = []
  #sending: Promise<void> | undefined

  constructor(send: (ids: readonly string[]) => Promise<void>) {
    this.#send = send
  }

  /** Settles with the command that the id went out with. */
  add(id: string): Promise<void> {
    this.#ids.push(id)
    this.#sending ??= Promise.resolve().then(() => {
      const ids = this.#ids
      this.#ids = []
      this.#sending = undefined
      return this.#send(ids)
    })
    return this.#sending
  }
}
