import { ApiError } from './api-problem.ts'
import type { Signer } from './signed.ts'

/** Filters that are remembered: the oldest are forgotten first. */
const REMEMBERED = 5_000

/** Keeps filters under a short id, so that no address holds what they name. */
export class FilterMemory {
  readonly #signer: Signer
  readonly #filters = new Map<string, string>()

  constructor(signer: Signer) {
    this.#signer = signer
  }

  /** The id, the same each time. */
  keep(q: string): string {
    const id = this.#signer.mark('filter', q).slice(0, 16)
    this.#filters.delete(id)
    this.#filters.set(id, q)
    const [oldest] = this.#filters.size > REMEMBERED ? this.#filters.keys() : []
    if (oldest !== undefined) this.#filters.delete(oldest)
    return id
  }

  /** The filter of an id. Throws `ApiError` `NOT_FOUND`. */
  filterOf(id: string): string {
    const q = this.#filters.get(id)
    if (q === undefined)
      throw new ApiError('NOT_FOUND', 'This filter is no longer known here; write it again.', { field: 'q' })
    return q
  }

  /** What `q` of a call says: `@<id>` stands for a filter that is kept. */
  read(q: string): string {
    return q.startsWith('@') ? this.filterOf(q.slice(1)) : q
  }
}
