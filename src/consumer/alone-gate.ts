import type { DeliveryInHand } from './intake.ts'

/** Makes a delivery that must run alone wait until nothing else runs, and then lets nothing else begin. */
export class AloneGate {
  readonly #patience: number
  readonly #onWaited: () => void
  #holder: DeliveryInHand | undefined
  #timer: NodeJS.Timeout | undefined
  #waited = false

  /** What still runs after `patience` ms is past its time, and may end beside it. */
  constructor(patience: number, onWaited: () => void) {
    this.#patience = patience
    this.#onWaited = onWaited
  }

  /** Whether a delivery is being worked on alone. */
  get taken(): boolean {
    return this.#holder !== undefined
  }

  /** Whether a delivery may begin beside `running` others. */
  begin(held: DeliveryInHand, running: number): boolean {
    if (!held.alone) return true
    if (running > 0 && !this.#waited) {
      this.#timer ??= setTimeout(() => {
        this.#waited = true
        this.#onWaited()
      }, this.#patience).unref()
      return false
    }
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#waited = false
    this.#holder = held
    return true
  }

  end(held: DeliveryInHand): void {
    if (this.#holder === held) this.#holder = undefined
  }
}
