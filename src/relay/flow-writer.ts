import { Pause } from '../foundation/pause.ts'
import type { FlowCounts, HistoryStore } from '../store/history-store.ts'
import type { FlowTally, Tallied } from './flow-tally.ts'
import { answered } from './patient-store.ts'
import { timeToDelivery, tookCounts } from './time-to-delivery.ts'

export interface FlowWriterParts {
  readonly tally: FlowTally
  readonly history: Pick<HistoryStore, 'count' | 'timed'>
  /** How long one statement may take, in ms. */
  readonly statementTime: number
  readonly onError: (error: unknown) => void
}

/** Between two looks at the tally, in ms. */
const INTERVAL = 15_000
/** Where nothing is delivered, the number that the sequence has reached is written down so often, in ms. */
const IDLE_INTERVAL = 60_000

/**
 * Writes down what a worker did, for rates and times to delivery: two statements in 15 seconds and one more for each backend, beside
 * the relay and never in its transactions. What is not written down when the process dies, or when the database refuses it, is missing
 * there and nowhere else.
 */
export class FlowWriter {
  readonly #parts: FlowWriterParts
  readonly #pause = new Pause()
  #writtenAt = Number.NEGATIVE_INFINITY
  #stopping = false

  constructor(parts: FlowWriterParts) {
    this.#parts = parts
  }

  /** Never rejects. Ends with what was counted until then. */
  async run(): Promise<void> {
    await this.#pause.sleep(INTERVAL * Math.random())
    while (!this.#stopping) {
      await this.write(performance.now() - this.#writtenAt >= IDLE_INTERVAL)
      if (!this.#stopping) await this.#pause.sleep(INTERVAL)
    }
  }

  stop(): void {
    this.#stopping = true
    this.#pause.end()
  }

  /** Writes down what was counted; `always`: also when that is nothing. Never rejects. */
  async write(always = false): Promise<void> {
    const { tally, history, statementTime, onError } = this.#parts
    const taken = tally.take()
    if (taken === undefined && !always) return
    this.#writtenAt = performance.now()
    try {
      const backends: FlowCounts[] = []
      for (const one of taken?.backends ?? []) backends.push(await this.#timed(one))
      await answered(2 * statementTime, history.count({ seq: tally.seq, backends }))
    } catch (error) {
      onError(error)
    }
  }

  /** Rows that are deleted once they are delivered cannot tell. */
  async #timed({ counts, sample }: Tallied): Promise<FlowCounts> {
    if (sample.length === 0) return counts
    const { history, statementTime } = this.#parts
    const rows = await answered(statementTime, history.timed(sample))
    const times = rows.map(timeToDelivery).filter((time) => time !== undefined)
    return { ...counts, took: tookCounts(times, counts.delivered) }
  }
}
