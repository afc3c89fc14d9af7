import type { MoveResult } from '../../src/admin/move-in-peace.ts'

export type Action = 'requeue' | 'replay' | 'skip' | 'cancel' | 'delete' | 'reschedule'

/** One delivery as the stream has it: `at` is its place there. */
export interface Sent {
  readonly id: string
  readonly at: number
}

interface Known {
  readonly key: string
  readonly count: number
  /** The last thing that was done to it. */
  last: Action | undefined
  /** How long the stream was when that was answered. */
  from: number
  /** It left its place in its key: cancelled, skipped, or put off, and perhaps brought back later. */
  displaced: boolean
}

/** What the operator of the drill did, by the answers it got, and what must be true of each event in the end. */
export class OperatorLog {
  readonly #events = new Map<string, Known>()
  /** Those of which a worker gave up a send, its timeout or its lease being over. */
  readonly #givenUp = new Set<string>()
  readonly answers = { moved: 0, tooLate: 0, unknown: 0 }

  published(id: string, key: string, count: number): void {
    this.#events.set(id, { key, count, last: undefined, from: 0, displaced: false })
  }

  /** A worker stopped waiting for a send of these: what the broker makes of it, and when, is not known. */
  gaveUp(ids: readonly string[]): void {
    for (const id of ids) this.#givenUp.add(id)
  }

  get ids(): readonly string[] {
    return [...this.#events.keys()]
  }

  answered(action: Action, { moved, tooLate, unknown }: MoveResult, streamLength: number): void {
    this.answers.moved += moved.length
    this.answers.tooLate += tooLate.length
    this.answers.unknown += unknown.length
    for (const id of moved) {
      const event = this.#events.get(id)
      if (event === undefined) continue
      // A skipped event stays failed: what was done to it before is its last word no more, nor is this.
      event.last = action
      event.from = streamLength
      if (action === 'cancel' || action === 'skip' || action === 'reschedule') event.displaced = true
    }
  }

  /**
   * Every contradiction between the answers, what was sent, and the status of each event in the end. `late`: sent after they
   * were gone, by a send that its worker had given up, which is all that docs/guarantees.md lets pass.
   */
  judge(sent: readonly Sent[], statuses: ReadonlyMap<string, string>) {
    const deliveries = Map.groupBy(sent, ({ id }) => id)
    const wrong: string[] = []
    let lost = 0
    let late = 0
    for (const [id, { last, from, key, count }] of this.#events) {
      const status = statuses.get(id)
      const places = deliveries.get(id)?.map(({ at }) => at) ?? []
      const tell = (what: string): void => {
        wrong.push(`${key}/${count} ${id}: last ${last} at ${from}, now ${status}, sent at ${places}: ${what}`)
      }
      const isGone = last === 'cancel' || last === 'delete'
      if (isGone && places.some((at) => at >= from)) {
        if (this.#givenUp.has(id)) late++
        else tell('sent after it was gone')
      }
      if (last === 'cancel' && status !== 'cancelled') tell('was cancelled')
      if (last === 'delete' && status !== undefined) tell('was deleted')
      if (isGone) continue
      // Published ones are deleted by retention.
      if (status !== undefined && status !== 'published') tell('should be published')
      if (places.length === 0) lost++
      if (last === 'replay' && !places.some((at) => at >= from)) tell('replayed, and not sent again')
    }
    return { lost, late, wrong, disordered: this.#disorder(sent) }
  }

  /** First deliveries that came before one of an earlier event of their key. */
  #disorder(sent: readonly Sent[]): readonly string[] {
    const disordered: string[] = []
    const seen = new Set<string>()
    const greatest = new Map<string, number>()
    for (const { id, at } of sent) {
      const event = this.#events.get(id)
      if (event === undefined || event.displaced || seen.has(id)) continue
      seen.add(id)
      const before = greatest.get(event.key) ?? 0
      if (event.count < before) disordered.push(`${event.key}/${event.count} ${id} at ${at}, after ${before}`)
      greatest.set(event.key, Math.max(before, event.count))
    }
    return disordered
  }
}
