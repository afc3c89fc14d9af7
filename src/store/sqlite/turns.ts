import { BroadcasterError } from '../../errors.ts'

/**
 * One writer at a time within this process, in the order in which they asked. SQLite has one writer at a time
 * anyway; waiting here costs no retries, is fair, and never blocks the event loop.
 */
export class Turns {
  readonly #waiting: (() => void)[] = []
  #taken = false
  #since = 0

  /**
   * Resolves, when it is our turn, with the function that ends it. Rejects with `STORE_BUSY` when another turn takes
   * longer than `patience` ms.
   */
  take(patience: number): Promise<() => void> {
    if (!this.#taken) return Promise.resolve(this.#grant())
    return new Promise((resolve, reject) => {
      const grant = (): void => {
        clearTimeout(timer)
        resolve(this.#grant())
      }
      const look = (): void => {
        const held = performance.now() - this.#since
        if (held < patience) {
          timer = setTimeout(look, patience - held)
          return
        }
        this.#waiting.splice(this.#waiting.indexOf(grant), 1)
        reject(
          new BroadcasterError(
            'STORE_BUSY',
            `a transaction of this process has kept the SQLite outbox locked for more than busyTimeout (${patience} ms); ` +
              'keep transactions short, and do not wait in one for another',
            { field: 'busyTimeout', value: patience },
          ),
        )
      }
      let timer = setTimeout(look, patience)
      this.#waiting.push(grant)
    })
  }

  #grant(): () => void {
    this.#taken = true
    this.#since = performance.now()
    let ended = false
    return () => {
      if (ended) return
      ended = true
      this.#taken = false
      this.#waiting.shift()?.()
    }
  }
}
