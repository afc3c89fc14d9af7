import { delivered, notAttempted, notDelivered, type SendResult } from '../backend/backend.ts'
import { sendByKey } from '../backend/send-by-key.ts'
import { PermanentError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { type BatchItem, type BatchLimit, batchParts } from './batch-parts.ts'
import type { Destination } from './destination.ts'
import { batchMessage, type Message, structuredText } from './message.ts'
import type { Refusal } from './response-error.ts'

export type Deliver = (to: Destination, message: Message, signal: AbortSignal) => Promise<Refusal | undefined>

interface Item extends BatchItem {
  readonly event: OutgoingEvent
  readonly at: number
  readonly text: string
  readonly to: Destination
}

/** What is left of a key: its events in order, and the error of the first that cannot be sent at all. */
interface Run {
  readonly items: readonly Item[]
  readonly end: { readonly at: number; readonly error: unknown } | undefined
}

/** More suspects than any send has events: older ones went to another worker. */
const MOST_SUSPECTS = 20_000

/**
 * Sends events in batches: those of a destination in sequence, several destinations at once. A refused batch is sent
 * again in parts, down to the events at fault; none is sent after an undelivered one of its key.
 */
export class BatchSender {
  readonly #limit: BatchLimit
  /** Ids of events whose batch was refused because of one of them; each goes alone until it is delivered. */
  readonly #suspects = new Set<string>()

  constructor(limit: BatchLimit) {
    this.#limit = limit
  }

  /** Resolves with one result per event, in order; never rejects. `destinationOf` may throw. */
  async send(
    events: readonly OutgoingEvent[],
    signal: AbortSignal,
    destinationOf: (event: OutgoingEvent) => Destination,
    deliver: Deliver,
  ): Promise<readonly SendResult[]> {
    const outcomes = new Outcomes(events.length, deliver)
    const { results } = outcomes
    let open = this.#runs(events, destinationOf)
    while (open.length > 0 && !signal.aborted) {
      const heads = open.map(({ items }) => {
        const name = items[0]?.to.name
        const end = items.findIndex(({ to }) => to.name !== name)
        return end < 0 ? items : items.slice(0, end)
      })
      const round = Map.groupBy(heads.flat(), ({ to }) => to.name)
      await Promise.all(Array.from(round.values(), (items) => this.#sendGroup(items, outcomes, signal)))
      open = open.flatMap(({ items, end }, n) => {
        const head = heads[n] ?? []
        if (!head.every(({ at }) => results[at]?.ok)) return []
        const rest = items.slice(head.length)
        if (rest.length > 0) return [{ items: rest, end }]
        if (end) results[end.at] = notDelivered(end.error)
        return []
      })
    }
    return results
  }

  #runs(events: readonly OutgoingEvent[], destinationOf: (event: OutgoingEvent) => Destination): readonly Run[] {
    const runs = new Map<string | number, { items: Item[]; end: Run['end'] }>()
    for (const [at, event] of events.entries()) {
      const key = event.partitionKey ?? at
      const run = runs.get(key) ?? { items: [], end: undefined }
      runs.set(key, run)
      if (run.end) continue
      try {
        const text = structuredText(event)
        const alone = this.#suspects.has(event.recordId)
        run.items.push({ event, at, text, bytes: Buffer.byteLength(text), alone, to: destinationOf(event) })
      } catch (error) {
        run.end = { at, error }
      }
    }
    return [...runs.values()]
  }

  async #sendGroup(group: readonly Item[], outcomes: Outcomes, signal: AbortSignal): Promise<void> {
    const items = group.toSorted((a, b) => a.at - b.at)
    for (const part of batchParts(items, this.#limit)) {
      if (signal.aborted) return
      const alone = part[0]?.alone === true
      const on = alone ? await this.#singly(part, outcomes, signal) : await this.#together(part, outcomes, signal)
      if (!on) return
    }
  }

  /** Resolves with whether more may be sent to this destination. */
  async #together(given: readonly Item[], outcomes: Outcomes, signal: AbortSignal): Promise<boolean> {
    const items = given.filter((item) => !outcomes.isStopped(item))
    const [first] = items
    if (!first) return true
    const message = batchMessage(items.map(({ text }) => text))
    const refusal = await outcomes.deliver(first.to, message, signal)
    if (!refusal || refusal.refuses === 'everything' || items.length === 1) {
      for (const item of items) {
        outcomes.record(item, refusal ? notDelivered(refusal.error) : delivered)
        // An event that was refused alone stays alone, or it would spoil another batch with each retry.
        if (!refusal || refusal.error instanceof PermanentError) this.#suspects.delete(item.event.recordId)
      }
      return refusal?.refuses !== 'everything'
    }
    if (refusal.refuses === 'size') {
      const half = Math.ceil(items.length / 2)
      if (!(await this.#together(items.slice(0, half), outcomes, signal))) return false
      return this.#together(items.slice(half), outcomes, signal)
    }
    this.#suspect(items)
    if (refusal.refuses === 'message') return this.#singly(items, outcomes, signal)
    // This send has run out of time. None of them pays for it: the next send finds out which one it was.
    const later = `a batch of ${items.length} was not answered in time; its events are sent one by one next`
    const error = new BroadcasterError('SEND_NOT_ATTEMPTED', later, { cause: refusal.error })
    for (const item of items) outcomes.record(item, notDelivered(error))
    return false
  }

  async #singly(items: readonly Item[], outcomes: Outcomes, signal: AbortSignal): Promise<boolean> {
    const byEvent = new Map(items.map((item) => [item.event, item]))
    let on = true
    await sendByKey(Array.from(byEvent.keys()), signal, async (event) => {
      const item = byEvent.get(event)
      if (!item || !on) return notAttempted
      const more = await this.#together([item], outcomes, signal)
      if (!more) on = false
      return outcomes.results[item.at] ?? notAttempted
    })
    return on
  }

  #suspect(items: readonly Item[]): void {
    if (this.#suspects.size > MOST_SUSPECTS) this.#suspects.clear()
    for (const { event } of items) this.#suspects.add(event.recordId)
  }
}

/** The results of one send so far. */
class Outcomes {
  readonly results: SendResult[]
  readonly deliver: Deliver
  /** Keys with an event that was not delivered. */
  readonly #stopped = new Set<string>()

  constructor(count: number, deliver: Deliver) {
    this.deliver = deliver
    this.results = new Array<SendResult>(count).fill(notAttempted)
  }

  record({ event, at }: Item, result: SendResult): void {
    this.results[at] = result
    if (!result.ok && event.partitionKey !== undefined) this.#stopped.add(event.partitionKey)
  }

  /** Whether an earlier event of its key was not delivered. */
  isStopped({ event }: Item): boolean {
    return event.partitionKey !== undefined && this.#stopped.has(event.partitionKey)
  }
}
