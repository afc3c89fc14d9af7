import { integer, oneOf, text } from '../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../foundation/option-table.ts'
import type { HistoryStore, OutageEntry } from '../store/history-store.ts'
import { FLOW_RANGES, type Flow, flowLately, flowPoints } from './flow.ts'

export const FLOW = {
  /** How far back: an hour in minutes, a day in quarters of an hour, or a week in hours. Default `1h`. */
  range: oneOf('1h', '1h', '24h', '7d'),
  /** Only what was done for this backend. Default: all. */
  backend: text(undefined),
}
/** What `flow` looks at. */
export type FlowOptions = OptionsOf<typeof FLOW>

export const LIST_OUTAGES = {
  /** Only those of this backend, the places behind it included. Default: all. */
  backend: text(undefined),
  /** Only outages before this number, for the next page. Default: from the newest. */
  before: integer(undefined, { min: 1, max: Number.MAX_SAFE_INTEGER }),
  /** At most so many, 1 to 200. Default 50. */
  limit: integer(50, { min: 1, max: 200 }),
}
/** Which outages are listed. */
export type ListOutagesOptions = OptionsOf<typeof LIST_OUTAGES>

/** What happened to an outbox, for people. */
export class OutboxHistory {
  readonly #store: HistoryStore

  constructor(store: HistoryStore) {
    this.#store = store
  }

  async flow(options: FlowOptions = {}): Promise<Flow> {
    const { range, backend } = readOptions('flow()', FLOW, options)
    const { seconds, spans } = FLOW_RANGES[range]
    const read = await this.#store.flow(seconds, spans)
    // An hour by minutes has the last minutes in it.
    const minutes = range === '1h' ? read : await this.#store.flow(60, 6)
    const lately = flowLately(minutes)
    const own = backend === undefined ? lately.backends : lately.backends.filter((one) => one.backend === backend)
    return { at: read.now, seconds, points: flowPoints(read, range, backend), lately: { ...lately, backends: own } }
  }

  async outages(options: ListOutagesOptions = {}): Promise<readonly OutageEntry[]> {
    const { backend, before, limit } = readOptions('outages()', LIST_OUTAGES, options)
    return this.#store.outages({ backend, before: before ?? null, limit })
  }
}
