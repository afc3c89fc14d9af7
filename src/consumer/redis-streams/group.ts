import { replyCode } from '../../backend/redis-streams/reply-error.ts'
import {
  compareIds,
  type GroupState,
  missedBy,
  nextId,
  readGroups,
  readStream,
} from '../../backend/redis-streams/stream-state.ts'
import type { ResolvedRedisSubscriptionOptions } from './options.ts'

/** Runs a command, within a time; rejects with Redis's error, or an `OutageError`. */
export type Run = (key: string | undefined, args: readonly [string, ...string[]]) => Promise<unknown>

/** An entry of the stream that was handed to us. */
export interface Entry {
  readonly id: string
  /** Names and values in turn; null = it was trimmed from the stream before anybody handled it. */
  readonly fields: readonly string[] | null
  /** How often it was handed out, this time included. */
  readonly count: number
}

/** Who takes what is given back, until somebody claims it. */
const NOBODY = 'released'
/** So long idle that everybody may claim it, in milliseconds: ten years. */
const FOR_AGES = '315576000000'
/** One step, so that nobody who comes back in between loses what it is given: Redis forgets it with the member. */
const REMOVE_DEAD = `
local removed = 0
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local of = {}
  for i = 1, #consumer, 2 do of[consumer[i]] = consumer[i + 1] end
  local ours = string.sub(of.name, 1, 12) == 'broadcaster-' and of.name ~= ARGV[2]
  if ours and of.pending == 0 and of.idle > tonumber(ARGV[3]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], of.name)
    removed = removed + 1
  end
end
return removed
`
/** As many as Redis is asked for, and told of, in one command. */
const PAGE = 10_000

/** The commands of one member of a consumer group. */
export class GroupMember {
  readonly #options: ResolvedRedisSubscriptionOptions
  readonly #group: string
  readonly #name: string
  /** With `start: 'new'`: where the group begins when it must be made again. */
  #from: string | undefined

  constructor(options: ResolvedRedisSubscriptionOptions, group: string, name: string) {
    this.#options = options
    this.#group = group
    this.#name = name
  }

  /**
   * Makes stream and group, unless they are there. A group that is gone, as after Redis lost its data, is made again where this
   * member found it, and not at the end of the stream: what came in between is new to it.
   */
  async ensureGroup(run: Run): Promise<void> {
    const { stream, start } = this.#options
    const from = start === 'all' ? '0' : this.#from === undefined ? '$' : await this.#whereItBegan(run, this.#from)
    try {
      await run(stream, ['XGROUP', 'CREATE', stream, this.#group, from, 'MKSTREAM'])
    } catch (error) {
      if (replyCode(error) !== 'BUSYGROUP') throw error
    }
    if (start === 'new') this.#from ??= await this.#firstNeeded(run)
  }

  /** How many entries were trimmed that the group had not been given; undefined = not known. */
  async missed(run: Run): Promise<number | undefined> {
    const state = await readStream(run, this.#options.stream)
    const group = await this.#state(run)
    return state && group && missedBy(group, state)
  }

  /** Removes members that died: they hold nothing, and nobody has heard of them for `idle` ms. */
  async removeDead(run: Run, idle: number): Promise<void> {
    const { stream } = this.#options
    await run(stream, ['EVAL', REMOVE_DEAD, '1', stream, this.#group, this.#name, String(idle)])
  }

  async #state(run: Run): Promise<GroupState | undefined> {
    const groups = await readGroups(run, this.#options.stream)
    return groups.find(({ name }) => name === this.#group)
  }

  /** The id before all that the group has still to handle. */
  async #firstNeeded(run: Run): Promise<string | undefined> {
    const { stream } = this.#options
    const group = await this.#state(run)
    if (group === undefined || group.pending === 0) return group?.lastId
    const [, first] = (await run(stream, ['XPENDING', stream, this.#group])) as readonly [number, string | null]
    return first === null ? group.lastId : nextId(first, -1)
  }

  /** The beginning when the stream is a younger one than the group was made for. */
  async #whereItBegan(run: Run, from: string): Promise<string> {
    const state = await readStream(run, this.#options.stream)
    return state === undefined || compareIds(state.lastId, from) < 0 ? '0' : from
  }

  /** Entries that nobody was handed before; waits `block` ms for the first (0 = not at all). */
  async readNew(run: Run, limit: number, block: number): Promise<readonly Entry[]> {
    const { stream } = this.#options
    const wait = block === 0 ? [] : ['BLOCK', String(block)]
    const count = String(limit)
    const reply = await run(stream, [
      'XREADGROUP',
      'GROUP',
      this.#group,
      this.#name,
      'COUNT',
      count,
      ...wait,
      'STREAMS',
      stream,
      '>',
    ])
    return entriesOf(reply).map(({ id, fields }) => ({ id, fields, count: 1 }))
  }

  /** Entries that are ours already, after an id: those whose delivery never reached us are among them. */
  async readOwn(run: Run, limit: number, after: string): Promise<readonly Entry[]> {
    const { stream } = this.#options
    const reply = await run(stream, [
      'XREADGROUP',
      'GROUP',
      this.#group,
      this.#name,
      'COUNT',
      String(limit),
      'STREAMS',
      stream,
      after,
    ])
    return this.#counted(run, entriesOf(reply))
  }

  /** Takes over what was idle for `idle` ms; `next` is where to go on, undefined at the end. */
  async claim(
    run: Run,
    limit: number,
    idle: number,
    from: string,
  ): Promise<{ readonly entries: readonly Entry[]; readonly next: string | undefined }> {
    const { stream } = this.#options
    const reply = await run(stream, [
      'XAUTOCLAIM',
      stream,
      this.#group,
      this.#name,
      String(idle),
      from,
      'COUNT',
      String(limit),
    ])
    const [next, claimed, deleted] = reply as [string, readonly RawEntry[], (readonly string[])?]
    // Redis 6.2 gives nothing at all for an entry that was trimmed.
    const entries = claimed.flatMap((entry) => (entry ? [{ id: entry[0], fields: entry[1] }] : []))
    const trimmed = (deleted ?? []).map((id) => ({ id, fields: null, count: 1 }))
    return {
      entries: [...(await this.#counted(run, entries)), ...trimmed],
      next: next === '0-0' ? undefined : next,
    }
  }

  /**
   * Which of those in hand are still ours. They count as busy from now. `inHand` is asked at the last moment: what was
   * released meanwhile would be taken back, with nobody to handle it.
   */
  async keep(run: Run, inHand: (id: string) => boolean): Promise<ReadonlySet<string>> {
    const { stream } = this.#options
    const kept = new Set<string>()
    for await (const page of this.#pending(run, '-', '+')) {
      const ours = page.map(([id]) => id).filter(inHand)
      if (ours.length > 0) await run(stream, ['XCLAIM', stream, this.#group, this.#name, '0', ...ours, 'JUSTID'])
      for (const id of ours) kept.add(id)
    }
    return kept
  }

  async acknowledge(run: Run, ids: readonly string[]): Promise<void> {
    const { stream } = this.#options
    await run(stream, ['XACK', stream, this.#group, ...ids])
  }

  /** Gives entries back: whoever looks for idle ones next takes them. */
  async release(run: Run, ids: readonly string[]): Promise<void> {
    const { stream } = this.#options
    await run(stream, ['XCLAIM', stream, this.#group, NOBODY, '0', ...ids, 'IDLE', FOR_AGES, 'JUSTID'])
  }

  /** Gives all back that Redis counts as ours, and leaves the group. Nothing may be under way. */
  async leave(run: Run): Promise<void> {
    const { stream } = this.#options
    for await (const page of this.#pending(run, '-', '+')) {
      await this.release(
        run,
        page.map(([id]) => id),
      )
    }
    await run(stream, ['XGROUP', 'DELCONSUMER', stream, this.#group, this.#name])
  }

  async #counted(run: Run, entries: readonly Omit<Entry, 'count'>[]): Promise<readonly Entry[]> {
    const [first, last] = [entries[0], entries.at(-1)]
    if (!first || !last) return []
    const counts = new Map<string, number>()
    for await (const page of this.#pending(run, first.id, last.id)) {
      for (const [id, , , count] of page) counts.set(id, count)
    }
    return entries.map((entry) => ({ ...entry, count: Number(counts.get(entry.id) ?? 1) }))
  }

  /** What Redis counts as ours, in the order of the stream; no page is empty. */
  async *#pending(run: Run, from: string, to: string): AsyncGenerator<readonly Pending[]> {
    const { stream } = this.#options
    let start = from
    for (;;) {
      const args = ['XPENDING', stream, this.#group, start, to, String(PAGE), this.#name] as const
      const page = (await run(stream, args)) as readonly Pending[]
      const last = page.at(-1)
      if (last) yield page
      if (!last || page.length < PAGE) return
      start = `(${last[0]}`
    }
  }
}

type RawEntry = readonly [id: string, fields: readonly string[] | null]
type Pending = readonly [id: string, consumer: string, idle: number, count: number]

/** One stream's entries of the reply to XREADGROUP: null, a list of pairs (RESP2), a map, or a map laid flat (ioredis). */
function entriesOf(reply: unknown): readonly Omit<Entry, 'count'>[] {
  if (reply === null || reply === undefined) return []
  const [first] = Array.isArray(reply) ? reply : reply instanceof Map ? reply : Object.entries(reply)
  const entries: unknown = typeof first === 'string' ? (reply as readonly unknown[])[1] : first?.[1]
  return ((entries ?? []) as readonly RawEntry[]).map(([id, fields]) => ({ id, fields }))
}
