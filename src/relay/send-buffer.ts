import type { HeldEvent } from './held-event.ts'

/** The events of one key that wait for their turn, in `seq` order. */
interface KeyQueue {
  readonly key: string
  readonly waiting: HeldEvent[]
  /** Events of this key are with the backend, not acknowledged yet. */
  busy: boolean
}

/**
 * Fetched events that wait to be sent. It hands out batches such that at most one run of a key is unacknowledged at a
 * time, and keys and events without a key take turns in the order in which they became ready.
 */
export class SendBuffer {
  readonly #keys = new Map<string, KeyQueue>()
  #ready: (HeldEvent | KeyQueue)[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  add(event: HeldEvent): void {
    this.#size++
    if (event.key === null) {
      this.#ready.push(event)
      return
    }
    let queue = this.#keys.get(event.key)
    if (!queue) {
      queue = { key: event.key, waiting: [], busy: false }
      this.#keys.set(event.key, queue)
    }
    insertBySeq(queue.waiting, event)
    if (queue.waiting.length === 1 && !queue.busy) this.#ready.push(queue)
  }

  /**
   * Takes up to `limit` events for one send; their keys are busy until `done`. `runs`: several events of a key may be
   * in it, otherwise one. An event that must go alone makes a batch by itself, and so do the events of each destination,
   * of which `room` says how many may go now. With `mostBytes` it ends before an event with which it would have more data than
   * that, unless it is the first.
   */
  take(
    limit: number,
    runs: boolean,
    room: (destination: string | undefined) => number = () => limit,
    mostBytes = Number.POSITIVE_INFINITY,
  ): HeldEvent[] {
    const batch: HeldEvent[] = []
    let bytesLeft = mostBytes
    const passedOver: (HeldEvent | KeyQueue)[] = []
    let most = limit
    let seen = 0
    for (const item of this.#ready) {
      const first = 'waiting' in item ? item.waiting[0] : item
      const [leader] = batch
      if (batch.length >= most || (first && leader && (isApart(first) || first.bytes > bytesLeft))) break
      seen++
      // A queue emptied or taken since it was listed: `done` lists it again.
      if (!first || ('waiting' in item && item.busy)) continue
      const left = leader === undefined ? room(first.destination) : most
      if (left <= 0 || (leader !== undefined && leader.destination !== first.destination)) {
        passedOver.push(item)
        continue
      }
      most = Math.min(limit, left)
      if ('waiting' in item) {
        item.busy = true
        const run = isApart(first) || !runs ? 1 : runLength(item.waiting, most - batch.length, bytesLeft)
        for (const event of item.waiting.splice(0, run)) {
          batch.push(event)
          bytesLeft -= event.bytes
        }
      } else {
        batch.push(item)
        bytesLeft -= item.bytes
      }
      if (isApart(first)) break
    }
    this.#ready.splice(0, seen, ...passedOver)
    this.#size -= batch.length
    return batch
  }

  /**
   * How many could go at once, at most `most`: of a key that is in no send one, or with `runs` all. `room`: how many of them may go to
   * a destination.
   */
  ready(runs: boolean, most: number, room: (destination: string | undefined) => number = () => most): number {
    const rooms = new Map<string | undefined, number>()
    let count = 0
    for (const item of this.#ready) {
      if (count >= most) break
      const first = 'waiting' in item ? item.waiting[0] : item
      if (first === undefined || ('waiting' in item && item.busy)) continue
      const left = rooms.get(first.destination) ?? room(first.destination)
      const run =
        'waiting' in item && runs && !isApart(first) ? runLength(item.waiting, most, Number.POSITIVE_INFINITY) : 1
      const goes = Math.min(run, left, most - count)
      rooms.set(first.destination, left - goes)
      count += goes
    }
    return count
  }

  /** Takes the first for which `test` holds among those that may go now; its key is busy until `done`. */
  takeFirst(test: (event: HeldEvent) => boolean): HeldEvent | undefined {
    for (const [at, item] of this.#ready.entries()) {
      const event = 'waiting' in item ? item.waiting[0] : item
      if (event === undefined || !test(event) || ('waiting' in item && item.busy)) continue
      if ('waiting' in item) {
        item.busy = true
        item.waiting.shift()
      }
      this.#ready.splice(at, 1)
      this.#size--
      return event
    }
    return undefined
  }

  /** The backend has answered for these: their keys may go on. */
  done(batch: readonly HeldEvent[]): void {
    for (const { key } of batch) {
      const queue = key === null ? undefined : this.#keys.get(key)
      if (!queue?.busy) continue
      queue.busy = false
      if (queue.waiting.length > 0) this.#ready.push(queue)
      else this.#keys.delete(queue.key)
    }
  }

  /** Takes out all waiting events of a key. Call it before `done`. */
  removeKey(key: string): HeldEvent[] {
    const queue = this.#keys.get(key)
    return queue ? this.#removed(queue.waiting.splice(0)) : []
  }

  /** Takes out all waiting events for which `test` holds. */
  removeWhere(test: (event: HeldEvent) => boolean): HeldEvent[] {
    const removed: HeldEvent[] = []
    const sift = (event: HeldEvent): boolean => {
      if (!test(event)) return true
      removed.push(event)
      return false
    }
    for (const queue of this.#keys.values()) {
      const kept = queue.waiting.filter(sift)
      queue.waiting.splice(0, queue.waiting.length, ...kept)
      if (kept.length === 0 && !queue.busy) this.#keys.delete(queue.key)
    }
    this.#ready = this.#ready.filter((item) => ('waiting' in item ? item.waiting.length > 0 : sift(item)))
    return this.#removed(removed)
  }

  #removed(events: HeldEvent[]): HeldEvent[] {
    this.#size -= events.length
    return events
  }
}

/** It makes a batch by itself: it may kill its process, or has kept a send from ending. */
function isApart({ alone, apart }: HeldEvent): boolean {
  return alone || apart
}

/** Usually at the end; earlier when a sweep found an event that committed late. */
function insertBySeq(waiting: HeldEvent[], event: HeldEvent): void {
  let at = waiting.length
  while (at > 0 && (waiting[at - 1]?.seq ?? 0) > event.seq) at--
  if (at === waiting.length) waiting.push(event)
  else waiting.splice(at, 0, event)
}

/**
 * How many from the front may go in one run: one, and then up to `limit`, not past one that must go alone or goes elsewhere, and none
 * with which they have more than `bytes`.
 */
function runLength(waiting: readonly HeldEvent[], limit: number, bytes: number): number {
  let left = bytes
  const other = waiting.findIndex((event, n) => {
    left -= event.bytes
    return isApart(event) || event.destination !== waiting[0]?.destination || (n > 0 && left < 0)
  })
  return Math.min(limit, other < 0 ? waiting.length : other)
}
