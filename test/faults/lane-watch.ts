import type { FaultyStore } from './store-place.ts'

/** Measures how long the lanes of dead workers wait for a new owner, by looking at the table. */
export class LaneWatch {
  readonly #look: FaultyStore['look']
  /** Lanes by the id of their dead owner, and when it died. */
  readonly #orphans = new Map<number, { readonly owner: string; readonly since: number }>()
  readonly #known = new Map<string, string>()
  /** The longest that a lane waited so far, in milliseconds. */
  longest = 0
  /** Lanes that got a new owner. */
  moved = 0

  constructor(look: FaultyStore['look']) {
    this.#look = look
  }

  /** A worker was killed just now. */
  async died(name: string): Promise<void> {
    await this.look()
    const id = this.#known.get(name)
    const since = performance.now()
    for (const { lane, owner } of await this.#lanes()) {
      if (owner !== null && owner === id && !this.#orphans.has(lane)) this.#orphans.set(lane, { owner, since })
    }
  }

  async #lanes(): Promise<readonly { readonly lane: number; readonly owner: string | null }[]> {
    const rows = await this.#look('SELECT lane, owner FROM outbox_lanes')
    return rows.map(({ lane, owner }) => ({ lane: Number(lane), owner: owner === null ? null : String(owner) }))
  }

  /** Looks at who owns what now. */
  async look(): Promise<void> {
    const workers = await this.#look('SELECT id, name FROM outbox_workers')
    for (const { id, name } of workers) this.#known.set(String(name), String(id))
    const lanes = await this.#lanes()
    const now = performance.now()
    for (const { lane, owner } of lanes) {
      const orphan = this.#orphans.get(lane)
      if (orphan === undefined) continue
      if (owner === orphan.owner || owner === null) {
        this.longest = Math.max(this.longest, now - orphan.since)
      } else {
        this.moved++
        this.#orphans.delete(lane)
      }
    }
  }

  /** Looks until every lane has a living owner again, at most `limit` ms. */
  async settle(limit: number): Promise<void> {
    const end = performance.now() + limit
    while (this.#orphans.size > 0 && performance.now() < end) {
      await this.look()
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
