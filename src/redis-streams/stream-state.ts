import type { RunCommand } from './client.ts'

/** What Redis says of a stream. */
export interface StreamState {
  readonly length: number
  /** How many were ever added; undefined before Redis 7, and where single entries were deleted. */
  readonly added: number | undefined
  /** Undefined when it is empty. */
  readonly firstId: string | undefined
  readonly lastId: string
}

/** What Redis says of a consumer group. */
export interface GroupState {
  readonly name: string
  readonly consumers: number
  readonly pending: number
  readonly lastId: string
  /** How many entries precede the next one that it reads; undefined = unknown. */
  readonly read: number | undefined
  /** How many entries come after the last one that it was given; undefined = unknown, as before Redis 7. */
  readonly lag: number | undefined
}

/** Undefined when there is no stream; rejects with Redis's error otherwise. */
export async function readStream(run: RunCommand, stream: string): Promise<StreamState | undefined> {
  if (Number(await run(stream, ['EXISTS', stream])) === 0) return undefined
  const fields = fieldsOf(await run(stream, ['XINFO', 'STREAM', stream]))
  const added = fields['entries-added']
  const intact = added !== undefined && String(fields['max-deleted-entry-id']) === '0-0'
  const first: unknown = fields['first-entry']
  return {
    length: Number(fields['length']),
    added: intact ? Number(added) : undefined,
    firstId: Array.isArray(first) ? String(first[0]) : undefined,
    lastId: String(fields['last-generated-id']),
  }
}

/** The groups of an existing stream. */
export async function readGroups(run: RunCommand, stream: string): Promise<readonly GroupState[]> {
  const reply = await run(stream, ['XINFO', 'GROUPS', stream])
  return (Array.isArray(reply) ? reply : []).map((each: unknown) => {
    const fields = fieldsOf(each)
    const read = fields['entries-read']
    return {
      name: String(fields['name']),
      consumers: Number(fields['consumers']),
      pending: Number(fields['pending']),
      lastId: String(fields['last-delivered-id']),
      lag: fields['lag'] === null || fields['lag'] === undefined ? undefined : Number(fields['lag']),
      read: read === null || read === undefined || Number(read) < 0 ? undefined : Number(read),
    }
  })
}

/** How long ago any consumer of the group was active, in milliseconds; undefined when it has none. */
export async function readIdle(run: RunCommand, stream: string, group: string): Promise<number | undefined> {
  const reply = await run(stream, ['XINFO', 'CONSUMERS', stream, group])
  const idle = (Array.isArray(reply) ? reply : []).map((each: unknown) => Number(fieldsOf(each)['idle']))
  return idle.length === 0 ? undefined : Math.min(...idle)
}

/**
 * How many entries the stream dropped before the group was given them: at least as many as it would skip now. Redis 7
 * may count those of an earlier gap again. Undefined = not known.
 */
export function missedBy(group: GroupState, { added, length, firstId, lastId }: StreamState): number | undefined {
  if (added === undefined) return undefined
  const dropped = added - length
  if (group.lastId === '0-0') return dropped
  if (compareIds(group.lastId, firstId ?? lastId) >= 0) return 0
  return group.read === undefined ? undefined : Math.max(0, dropped - group.read)
}

/** Negative when the first id is the older one. */
export function compareIds(one: string, other: string): number {
  const [ms, seq] = partsOf(one)
  const [otherMs, otherSeq] = partsOf(other)
  const difference = ms === otherMs ? seq - otherSeq : ms - otherMs
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

/** The id right after another one, or right before. */
export function nextId(id: string, step: 1 | -1 = 1): string {
  const [ms, seq] = partsOf(id)
  const all = (ms << 64n) + seq + BigInt(step)
  return all < 0n ? '0-0' : `${all >> 64n}-${all & 0xffff_ffff_ffff_ffffn}`
}

function partsOf(id: string): readonly [bigint, bigint] {
  const [ms = '0', seq = '0'] = id.split('-')
  return [BigInt(ms), BigInt(seq)]
}

/** The fields of a reply: a map, an object, or names and values in turn (RESP2). */
function fieldsOf(reply: unknown): Readonly<Record<string, unknown>> {
  if (reply instanceof Map) return Object.fromEntries(reply)
  if (!Array.isArray(reply)) return typeof reply === 'object' && reply !== null ? { ...reply } : {}
  const fields: Record<string, unknown> = {}
  for (let n = 0; n + 1 < reply.length; n += 2) fields[String(reply[n])] = reply[n + 1]
  return fields
}
