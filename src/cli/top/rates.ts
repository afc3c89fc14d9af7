import type { EventQuery } from '../../admin/event-query.ts'
import type { BackendStatus, OutboxStatus } from '../../admin/status.ts'
import { firstIdAt } from '../new-events.ts'

/** New events counted between two looks. */
export const MOST_COUNTED = 10_000
/** Rates are of this many looks. */
const LOOKS = 6

/** Events a second. */
export interface Rate {
  readonly come: number
  /** `come` is at least this. */
  readonly more: boolean
  /** Null: not known, since more waits than is counted. */
  readonly gone: number | null
}

interface Look {
  readonly at: number
  readonly open: ReadonlyMap<string, number | null>
  /** All that came since the first look, by backend. */
  readonly come: ReadonlyMap<string, number>
  readonly more: boolean
}

/**
 * How many events come and go, from what differs between looks at the outbox: those with a new id came; those that came and are not
 * undelivered or failed went. Nothing is counted by workers, so what operators move in between is counted, too.
 */
export class Rates {
  readonly #all: EventQuery
  readonly #looks: Look[] = []

  constructor(all: EventQuery) {
    this.#all = all
  }

  /** The rates by backend, once there are two looks. */
  async after(status: OutboxStatus): Promise<ReadonlyMap<string, Rate>> {
    const at = status.at?.getTime() ?? Date.now()
    const before = this.#looks.at(-1)
    const come = new Map(before?.come)
    let more = false
    if (before !== undefined) {
      const fresh = await this.#all
        .filter({ id: { gt: firstIdAt(before.at), lte: firstIdAt(at) } })
        .only('publisherBackend')
        .limit(MOST_COUNTED + 1)
        .all()
      more = fresh.length > MOST_COUNTED
      for (const { publisherBackend: name } of fresh) come.set(name, (come.get(name) ?? 0) + 1)
    }
    this.#looks.push({ at, come, more, open: new Map(status.backends.map((one) => [one.backend, openOf(one)])) })
    if (this.#looks.length > LOOKS) this.#looks.shift()
    const [first, last] = [this.#looks[0], this.#looks.at(-1)]
    if (first === undefined || last === undefined || last.at <= first.at) return new Map()
    const seconds = (last.at - first.at) / 1_000
    const some = this.#looks.slice(1).some((look) => look.more)
    return new Map(
      status.backends.map(({ backend }) => {
        const came = (last.come.get(backend) ?? 0) - (first.come.get(backend) ?? 0)
        const [was, is] = [first.open.get(backend) ?? null, last.open.get(backend) ?? null]
        const gone = was === null || is === null || some ? null : Math.max(0, came - (is - was)) / seconds
        return [backend, { come: came / seconds, more: some, gone }]
      }),
    )
  }
}

/** All that is there and neither delivered nor cancelled; null: more than is counted. */
function openOf({ waiting, scheduled, failed }: BackendStatus): number | null {
  if (![waiting, scheduled, failed].every(({ exact }) => exact)) return null
  return waiting.count + scheduled.count + failed.count
}
