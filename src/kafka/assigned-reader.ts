import { OutageError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import { errorMessage } from '../foundation/error-message.ts'
import { settles } from '../foundation/waiting.ts'
import type { ClusterView, View } from './cluster-view.ts'
import { failureOfCode } from './failure.ts'
import { EARLIEST, LATEST, type LeaderClient, WAIT } from './leader-client.ts'
import { type FetchedRecord, Partition } from './partition.ts'
import { placeOf } from './port.ts'
import { recordsIn } from './records-in.ts'

/** A partition that could not be read is left alone for this long, in ms; twice as long each time, up to a second. */
const REST = 250
const LONGEST_REST = 5_000

/** Where reading of a partition continues, as far as is known. */
export interface Assigned {
  readonly topic: string
  readonly number: number
  /** What was committed; undefined = nothing yet. */
  readonly committed: bigint | undefined
}

export interface AssignedReaderParts {
  readonly view: ClusterView
  readonly topics: readonly string[]
  readonly start: 'all' | 'new'
  /** The client for a broker, made when there is none. */
  readonly clientOf: (node: number, view: View) => LeaderClient
  /** It did not answer: the next `clientOf` makes another. */
  readonly drop: (client: LeaderClient) => void
  /** Stores where a partition begins, before anything of it is delivered. */
  readonly keep: (
    begun: readonly { readonly topic: string; readonly number: number; readonly offset: bigint }[],
  ) => Promise<void>
  /**
   * The log ends before our position: what we hold of it belongs to another log, and all is read again from these
   * offsets.
   */
  readonly rewind: (
    to: readonly { readonly topic: string; readonly number: number; readonly offset: bigint }[],
  ) => Promise<void>
  readonly onGap: ((error: BroadcasterError) => void) | undefined
  /** Called with what delays one partition and not the others, when that begins. */
  readonly onTrouble: ((error: BroadcasterError) => void) | undefined
}

/** An assigned partition and its troubles. */
interface Held extends Assigned {
  /** Undefined until its leader has said where it begins. */
  partition: Partition | undefined
  /** Where it begins, once its leader has said so. */
  begin: bigint | undefined
  /** Its offset is out of range. */
  isAstray: boolean
  /** How many times in a row it could not be read. */
  troubles: number
  trouble: BroadcasterError | undefined
  /** By `performance.now()`. */
  restsUntil: number
}

/**
 * Reads the partitions that a member was assigned, from the brokers that lead them, each at its own pace: one that
 * cannot be read is left alone for a while, and the others go on.
 */
export class AssignedReader {
  readonly #parts: AssignedReaderParts
  readonly #held: readonly Held[]
  /** By place: the partitions whose position is known. */
  readonly #partitions = new Map<string, Partition>()
  /** Brokers that are being asked. */
  readonly #visiting = new Set<number>()
  #arrived: FetchedRecord[] = []
  /** Resolves when a broker has been asked. */
  #bell = Promise.withResolvers<void>()

  constructor(assigned: readonly Assigned[], parts: AssignedReaderParts) {
    this.#parts = parts
    const none = { isAstray: false, troubles: 0, trouble: undefined, restsUntil: 0 }
    this.#held = assigned.map((each) => ({ ...each, ...none, partition: undefined, begin: each.committed }))
    for (const held of this.#held) if (held.begin !== undefined) this.#place(held, held.begin)
  }

  get partitions(): Iterable<Partition> {
    return this.#partitions.values()
  }

  partitionAt(place: string): Partition | undefined {
    return this.#partitions.get(place)
  }

  /** The next records; none after a while without any. Rejects with an `OutageError` when nothing can be read. */
  async read(): Promise<readonly FetchedRecord[]> {
    if (this.#held.length > 0) await this.#ask()
    else await new Promise((resolve) => setTimeout(resolve, WAIT))
    return this.#arrived.splice(0)
  }

  async #ask(): Promise<void> {
    const view = await this.#parts.view.of(this.#parts.topics)
    for (const [node, group] of this.#byLeader(view)) {
      if (this.#visiting.has(node)) continue
      this.#visiting.add(node)
      void this.#visit(node, view, group).finally(() => {
        this.#visiting.delete(node)
        this.#bell.resolve()
      })
    }
    // The next fetch is already on its way.
    if (this.#arrived.length > 0) return
    await settles(this.#bell.promise, { timeout: WAIT })
    this.#bell = Promise.withResolvers()
    if (this.#arrived.length > 0 || this.#held.some(({ trouble }) => trouble === undefined)) return
    const [first] = this.#held.flatMap(({ trouble }) => trouble ?? [])
    if (first !== undefined) throw new OutageError(`nothing can be read: ${first.message}`, { cause: first })
  }

  /** Those that can be asked for now, by the broker that leads them. */
  #byLeader(view: View): ReadonlyMap<number, readonly Held[]> {
    const now = performance.now()
    const groups = new Map<number, Held[]>()
    for (const held of this.#held) {
      const leader = view.topics.get(held.topic)?.partitions[held.number]?.leader ?? -1
      if (!view.brokers.has(leader)) {
        const refused = view.refused.get(held.topic)
        this.#tell(held, refused === undefined ? leaderless(held) : troubleOf(refused, held))
        continue
      }
      if (held.restsUntil > now) continue
      groups.set(leader, [...(groups.get(leader) ?? []), held])
    }
    return groups
  }

  /** Asks one broker once. Never rejects. */
  async #visit(node: number, view: View, group: readonly Held[]): Promise<void> {
    const client = this.#parts.clientOf(node, view)
    try {
      await this.#findPlaces(client, group)
      const ready = group.flatMap((held) => {
        const { partition, isAstray, topic, number } = held
        if (partition === undefined || isAstray || held.restsUntil > performance.now()) return []
        return [{ topic, number, next: partition.next, topicId: view.topics.get(topic)?.id ?? '' }]
      })
      if (ready.length === 0) return
      const { answer, refused } = await client.fetch(ready)
      if (answer === undefined) return this.#refused(group, refused)
      const names = new Map(ready.map(({ topic, topicId }) => [topicId, topic]))
      this.#arrived.push(...recordsIn(answer, names, this.#partitions))
      for (const { topic, number } of ready) this.#well(group, placeOf(topic, number))
    } catch (thrown) {
      this.#parts.drop(client)
      this.#parts.view.expire()
      const error =
        thrown instanceof BroadcasterError ? thrown : new OutageError(errorMessage(thrown), { cause: thrown })
      for (const held of group) this.#rest(held, error)
    }
  }

  /** Asks where partitions begin of which nothing was committed, and where those continue that are out of range. */
  async #findPlaces(client: LeaderClient, group: readonly Held[]): Promise<void> {
    const unplaced = group.filter(({ partition }) => partition === undefined)
    const unasked = unplaced.filter(({ begin }) => begin === undefined)
    if (unasked.length > 0) {
      const { offsets, refused } = await client.offsets(unasked, this.#parts.start === 'all' ? EARLIEST : LATEST)
      for (const held of unasked) held.begin = offsets.get(placeOf(held.topic, held.number))
      this.#refused(unasked, refused)
    }
    const begun = unplaced.flatMap(({ topic, number, begin }) =>
      begin === undefined ? [] : [{ topic, number, offset: begin }],
    )
    // Stored, or what comes before the first commit would be lost: the next start would ask for the end again.
    if (begun.length > 0 && this.#parts.start === 'new') await this.#parts.keep(begun)
    for (const held of unplaced) if (held.begin !== undefined) this.#place(held, held.begin)
    const astray = group.filter(({ isAstray }) => isAstray)
    if (astray.length > 0) await this.#findAgain(client, astray)
  }

  /** Records that we had not read were deleted, or the log ends before our position: continues with the oldest. */
  async #findAgain(client: LeaderClient, astray: readonly Held[]): Promise<void> {
    const oldest = await client.offsets(astray, EARLIEST)
    const newest = await client.offsets(astray, LATEST)
    this.#refused(astray, new Map([...oldest.refused, ...newest.refused]))
    const rewound: { readonly topic: string; readonly number: number; readonly offset: bigint }[] = []
    for (const held of astray) {
      const { topic, number, partition } = held
      const place = placeOf(topic, number)
      const [first, end] = [oldest.offsets.get(place), newest.offsets.get(place)]
      if (first === undefined || end === undefined || partition === undefined) continue
      held.isAstray = false
      if (partition.next < first) {
        this.#parts.onGap?.(missed(held, first - partition.next))
        partition.next = first
      } else if (partition.next > end) rewound.push({ topic, number, offset: first })
    }
    // The log was cut off before our position, or the offset belongs to another log. Waiting there until the log has
    // grown past it would silently skip all that is written until then, so what there is comes again.
    if (rewound.length > 0) await this.#parts.rewind(rewound)
  }

  #place(held: Held, offset: bigint): void {
    held.partition = new Partition(held.topic, held.number, offset)
    this.#partitions.set(placeOf(held.topic, held.number), held.partition)
  }

  #refused(group: readonly Held[], refused: ReadonlyMap<string, string>): void {
    for (const held of group) {
      const name = refused.get(placeOf(held.topic, held.number))
      if (name === undefined) continue
      if (name === 'OFFSET_OUT_OF_RANGE') held.isAstray = true
      else {
        this.#parts.view.expire()
        this.#rest(held, troubleOf(name, held))
      }
    }
  }

  #rest(held: Held, error: BroadcasterError): void {
    held.restsUntil = performance.now() + Math.min(LONGEST_REST, REST * 2 ** held.troubles)
    held.troubles++
    this.#tell(held, error)
  }

  /** Reports a trouble once, when it begins. */
  #tell(held: Held, error: BroadcasterError): void {
    const isNew = held.trouble === undefined
    held.trouble = error
    if (isNew) this.#parts.onTrouble?.(error)
  }

  #well(group: readonly Held[], place: string): void {
    const held = group.find(({ topic, number }) => placeOf(topic, number) === place)
    if (held !== undefined) Object.assign(held, { troubles: 0, trouble: undefined, restsUntil: 0 })
  }
}

function leaderless({ topic, number }: Assigned): BroadcasterError {
  const message = `the partition ${number} of ${topic} has no leader: its records wait, those of others do not`
  return new OutageError(message, { field: 'topic', value: topic })
}

function troubleOf(name: string, { topic, number }: Assigned): BroadcasterError {
  const { error } = failureOfCode(name, topic, false)
  return new OutageError(`the partition ${number} of ${topic} cannot be read now: ${name}`, { cause: error })
}

function missed({ topic, number }: Assigned, count: bigint): BroadcasterError {
  const message = `${count} records of the partition ${number} of '${topic}' were deleted before this group had read them; keep them longer (retention.ms, retention.bytes)`
  return new BroadcasterError('MESSAGES_MISSED', message, { field: 'topics', value: Number(count) })
}
