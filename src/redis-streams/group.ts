import { replyCode } from './reply-error.ts'
import { compareIds, type GroupState, missedBy, nextId, readGroups, readStream } from './stream-state.ts'
import type { ResolvedRedisSubscriptionOptions } from './subscription-options.ts'

/** Runs a command, within a time; rejects with Redis's error, or an `OutageError`. */
export type GroupCommand = (key: string | undefined, args: readonly [string, ...string[]]) => Promise<unknown>

/** An entry of the stream that was handed to us. */
export interface GroupEntry {
  readonly id: string
  /** Names and values in turn; null = it was trimmed from the stream before anybody handled it. */
  readonly fields: readonly string[] | null
  /** How often it was delivered, this time included. */
  readonly count: number
}

/** The group member that holds what is given back until another claims it. */
const NOBODY = 'released'
/** An idle time with which everybody may claim an entry, in milliseconds: ten years. */
const FOR_AGES = '315576000000'
/**
 * A script, since a member that comes back in between would lose what it is given: Redis removes that with the member.
 */
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
/** The most entries that one command reads or acknowledges. */
const PAGE = 10_000

export type GroupMember = ReturnType<typeof groupMember>

/** The commands of one member of a consumer group. `run` runs all of them except the blocking read. */
export function groupMember(
  run: GroupCommand,
  { stream, start }: Pick<ResolvedRedisSubscriptionOptions, 'stream' | 'start'>,
  group: string,
  name: string,
) {
  /** With `start: 'new'`: where the group begins if it has to be made again. */
  let beginning: string | undefined

  /**
   * Makes stream and group, unless they exist. A group that is gone, as after Redis lost its data, is made again where
   * this member first found it and not at the end of the stream: what came in between is new to it.
   */
  async function ensureGroup(): Promise<void> {
    const from = start === 'all' ? '0' : beginning === undefined ? '$' : await whereItBegan(beginning)
    try {
      await run(stream, ['XGROUP', 'CREATE', stream, group, from, 'MKSTREAM'])
    } catch (error) {
      if (replyCode(error) !== 'BUSYGROUP') throw error
    }
    if (start === 'new') beginning ??= await firstNeeded()
  }

  /** How many entries were trimmed before the group was given them; undefined = not known. */
  async function missed(): Promise<number | undefined> {
    const [whole, ours] = [await readStream(run, stream), await state()]
    return whole && ours && missedBy(ours, whole)
  }

  /** What the group has still to be given, and what it was given and has not acknowledged; undefined = not known. */
  async function backlog(): Promise<number | undefined> {
    const found = await state()
    return found?.lag === undefined ? undefined : found.lag + found.pending
  }

  /** Removes dead members: they hold nothing, and have been idle for `idle` ms. */
  async function removeDead(idle: number): Promise<void> {
    await run(stream, ['EVAL', REMOVE_DEAD, '1', stream, group, name, String(idle)])
  }

  async function state(): Promise<GroupState | undefined> {
    const groups = await readGroups(run, stream)
    return groups.find((each) => each.name === group)
  }

  /** The id before the first entry that the group still has to handle. */
  async function firstNeeded(): Promise<string | undefined> {
    const found = await state()
    if (found === undefined || found.pending === 0) return found?.lastId
    const [, first] = (await run(stream, ['XPENDING', stream, group])) as readonly [number, string | null]
    return first === null ? found.lastId : nextId(first, -1)
  }

  /** `from`, or the beginning when the stream is younger than the group was. */
  async function whereItBegan(from: string): Promise<string> {
    const whole = await readStream(run, stream)
    return whole === undefined || compareIds(whole.lastId, from) < 0 ? '0' : from
  }

  /** Reads new entries with `reader`; waits `block` ms for the first (0 = not at all). */
  async function readNew(reader: GroupCommand, limit: number, block: number): Promise<readonly GroupEntry[]> {
    const found = await read(reader, limit, '>', block === 0 ? [] : ['BLOCK', String(block)])
    return found.map((entry) => ({ ...entry, count: 1 }))
  }

  /** Entries that are ours already, after an id, including those whose delivery never reached us. */
  async function readOwn(limit: number, after: string): Promise<readonly GroupEntry[]> {
    return counted(await read(run, limit, after))
  }

  async function read(by: GroupCommand, limit: number, after: string, wait: readonly string[] = []) {
    const how = ['COUNT', String(limit), ...wait, 'STREAMS', stream, after]
    return entriesOf(await by(stream, ['XREADGROUP', 'GROUP', group, name, ...how]))
  }

  /** Takes over what has been idle for `idle` ms; `next` is where to continue, undefined at the end. */
  async function claim(
    limit: number,
    idle: number,
    from: string,
  ): Promise<{ readonly entries: readonly GroupEntry[]; readonly next: string | undefined }> {
    const reply = await run(stream, ['XAUTOCLAIM', stream, group, name, String(idle), from, 'COUNT', String(limit)])
    const [next, claimed, deleted] = reply as [string, readonly RawEntry[], (readonly string[])?]
    // Redis 6.2 returns nothing for an entry that was trimmed.
    const entries = claimed.flatMap((entry) => (entry ? [{ id: entry[0], fields: entry[1] }] : []))
    const trimmed = (deleted ?? []).map((id) => ({ id, fields: null, count: 1 }))
    return { entries: [...(await counted(entries)), ...trimmed], next: next === '0-0' ? undefined : next }
  }

  /**
   * Which of those in hand are still ours; their idle time starts anew. `inHand` is asked at the last moment: what was
   * just released would be taken back and never handled.
   */
  async function keep(inHand: (id: string) => boolean): Promise<ReadonlySet<string>> {
    const kept = new Set<string>()
    for await (const page of pending('-', '+')) {
      const ours = page.map(([id]) => id).filter(inHand)
      if (ours.length > 0) await run(stream, ['XCLAIM', stream, group, name, '0', ...ours, 'JUSTID'])
      for (const id of ours) kept.add(id)
    }
    return kept
  }

  async function acknowledge(ids: readonly string[]): Promise<void> {
    await run(stream, ['XACK', stream, group, ...ids])
  }

  /** Gives entries back: whoever next looks for idle ones takes them. */
  async function release(ids: readonly string[]): Promise<void> {
    await run(stream, ['XCLAIM', stream, group, NOBODY, '0', ...ids, 'IDLE', FOR_AGES, 'JUSTID'])
  }

  /** Gives back all that Redis counts as ours, and leaves the group. Nothing may be in flight. */
  async function leave(): Promise<void> {
    for await (const page of pending('-', '+')) await release(page.map(([id]) => id))
    await run(stream, ['XGROUP', 'DELCONSUMER', stream, group, name])
  }

  async function counted(entries: readonly Omit<GroupEntry, 'count'>[]): Promise<readonly GroupEntry[]> {
    const [first, last] = [entries[0], entries.at(-1)]
    if (!first || !last) return []
    const counts = new Map<string, number>()
    for await (const page of pending(first.id, last.id)) {
      for (const [id, , , count] of page) counts.set(id, count)
    }
    return entries.map((entry) => ({ ...entry, count: Number(counts.get(entry.id) ?? 1) }))
  }

  /** What Redis counts as ours, in the order of the stream; no page is empty. */
  async function* pending(from: string, to: string): AsyncGenerator<readonly Pending[]> {
    let start = from
    for (;;) {
      const args = ['XPENDING', stream, group, start, to, String(PAGE), name] as const
      const page = (await run(stream, args)) as readonly Pending[]
      const last = page.at(-1)
      if (last) yield page
      if (!last || page.length < PAGE) return
      start = `(${last[0]}`
    }
  }

  return { ensureGroup, missed, backlog, removeDead, readNew, readOwn, claim, keep, acknowledge, release, leave }
}

type RawEntry = readonly [id: string, fields: readonly string[] | null]
type Pending = readonly [id: string, consumer: string, idle: number, count: number]

/** One stream's entries in a reply to XREADGROUP: null, a list of pairs (RESP2), a map, or a flat map (ioredis). */
function entriesOf(reply: unknown): readonly Omit<GroupEntry, 'count'>[] {
  if (reply === null || reply === undefined) return []
  const [first] = Array.isArray(reply) ? reply : reply instanceof Map ? reply : Object.entries(reply)
  const entries: unknown = typeof first === 'string' ? (reply as readonly unknown[])[1] : first?.[1]
  return ((entries ?? []) as readonly RawEntry[]).map(([id, fields]) => ({ id, fields }))
}

/** Compares and acts in one step, so that nobody renews or ends another's lease. */
const RENEW = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('PEXPIRE', KEYS[1], ARGV[2]) or 0"
const END = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"

/** The right to be the only reader, kept in Redis for `duration` ms. */
export function readerLease(run: GroupCommand, key: string, holder: string, duration: number) {
  const time = String(duration)
  return {
    /** Takes the lease if it is free, or renews ours; whether it is ours now. */
    async take(): Promise<boolean> {
      const taken = await run(key, ['SET', key, holder, 'NX', 'PX', time])
      return taken !== null || Number(await run(key, ['EVAL', RENEW, '1', key, holder, time])) === 1
    },
    end: () => run(key, ['EVAL', END, '1', key, holder]),
  }
}
