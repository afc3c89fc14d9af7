/** An event still to be sent: its position in the send, and what decides when it may go. */
export interface Waiting {
  readonly at: number
  /** Its partition key; null = it waits for no other. */
  readonly key: string | null
  readonly stream: string
  /** About how much it takes, in bytes. */
  readonly size: number
}

export interface WaveLimits {
  /** Events of one stream in a wave. */
  readonly count: number
  /** Bytes of one stream in a wave; a single event may be larger. */
  readonly size: number
  /** An event of more bytes than this has a wave to itself. */
  readonly alone: number
  /** At most one event of a key. */
  readonly oneOfAKey: boolean
}

/**
 * Chooses what may be sent at the same time: a batch in order for each stream, with each key in one batch only. The
 * rest goes with a later wave, when it is known whether the earlier events of its key arrived. An event that is left
 * over holds back the later ones of its key.
 */
export function planWave<Event extends Waiting>(
  waiting: readonly Event[],
  limits: WaveLimits,
): { readonly batches: ReadonlyMap<string, readonly Event[]>; readonly left: readonly Event[] } {
  const [first] = waiting
  if (first && first.size > limits.alone) return { batches: new Map([[first.stream, [first]]]), left: waiting.slice(1) }
  const batches = new Map<string, { events: Event[]; size: number }>()
  const left: Event[] = []
  /** The stream that has the key in this wave; null = the key has to wait. */
  const streamOfKey = new Map<string, string | null>()
  for (const event of waiting) {
    const { key, stream, size } = event
    const batch = batches.get(stream) ?? { events: [], size: 0 }
    const full = batch.events.length >= limits.count || (batch.size + size > limits.size && batch.events.length > 0)
    const taken = key === null ? undefined : streamOfKey.get(key)
    if (full || size > limits.alone || (taken !== undefined && (limits.oneOfAKey || taken !== stream))) {
      if (key !== null) streamOfKey.set(key, null)
      left.push(event)
      continue
    }
    if (key !== null) streamOfKey.set(key, stream)
    batch.events.push(event)
    batch.size += size
    batches.set(stream, batch)
  }
  return { batches: new Map(Array.from(batches, ([stream, { events }]) => [stream, events])), left }
}
