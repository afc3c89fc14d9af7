import type { Pool } from 'pg'

/** Measures how long the lanes of dead workers wait for a new owner, by looking at the table. */
export class LaneWatch {
  readonly #pool: Pool
  readonly #schema: string
  /** Lanes by the id of their dead owner, and when it died. */
  readonly #orphans = new Map<number, { readonly owner: string; readonly since: number }>()
  readonly #known = new Map<string, string>()
  /** The longest that a lane waited so far, in milliseconds. */
  longest = 0
  /** Lanes that got a new owner. */
  moved = 0

  constructor(pool: Pool, schema: string) {
    this.#pool = pool
    this.#schema = schema
  }

  /** A worker was killed just now. */
  async died(name: string): Promise<void> {
    await this.look()
    const id = this.#known.get(name)
    const { rows } = await this.#pool.query(`SELECT lane, owner FROM ${this.#schema}.outbox_lanes WHERE owner = $1`, [
      id,
    ])
    const since = performance.now()
    for (const { lane, owner } of rows) if (!this.#orphans.has(lane)) this.#orphans.set(lane, { owner, since })
  }

  /** Looks at who owns what now. */
  async look(): Promise<void> {
    const workers = await this.#pool.query(`SELECT id, name FROM ${this.#schema}.outbox_workers`)
    for (const { id, name } of workers.rows) this.#known.set(name, id)
    const { rows } = await this.#pool.query(`SELECT lane, owner FROM ${this.#schema}.outbox_lanes`)
    const now = performance.now()
    for (const { lane, owner } of rows) {
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
