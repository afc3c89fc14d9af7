import type { RunCommand } from './client.ts'
import { compareIds, type GroupState, readIdle, type StreamState } from './stream-state.ts'

/** Since when a group has not moved although it has something to do, and its state then. */
interface Standstill {
  readonly state: string
  /** By Redis's clock, in milliseconds. */
  readonly since: number
}

/** The key under which standstills are recorded: they must outlive the processes that trim. */
export function standstillKey(stream: string): string {
  return `${stream}:groups`
}

/**
 * Which groups have stood still for `expiry` ms although they have something to read or acknowledge, and for how long.
 * One that has nothing to do does not count, nor does one with a consumer that still asks. `record` stores it in Redis.
 */
export async function standstills(
  run: RunCommand,
  stream: string,
  { groups, lastId }: Pick<StreamState, 'lastId'> & { readonly groups: readonly GroupState[] },
  expiry: number,
  what: 'record' | 'look',
): Promise<{ readonly expired: ReadonlySet<string>; readonly idle: ReadonlyMap<string, number> }> {
  const key = standstillKey(stream)
  const idle = new Map<string, number>()
  if (groups.length === 0) return { expired: new Set(), idle }
  const now = await timeOf(run, stream)
  const known = recordsOf(await run(key, ['HGETALL', key]))
  const changed: string[] = []
  for (const group of groups) {
    const busy = group.pending > 0 || compareIds(group.lastId, lastId) < 0
    const state = busy ? `${group.lastId} ${group.pending}` : 'done'
    const before = known.get(group.name)
    if (before?.state === state && busy) idle.set(group.name, now - before.since)
    else if (before?.state !== state) changed.push(group.name, `${now} ${state}`)
  }
  if (what === 'record' && changed.length > 0) await run(key, ['HSET', key, ...changed])
  const expired = new Set<string>()
  for (const [name, duration] of idle) {
    if (duration < expiry) continue
    const heard = await readIdle(run, stream, name)
    if (heard === undefined || heard >= expiry) expired.add(name)
    else idle.set(name, Math.min(duration, heard))
  }
  return { expired, idle }
}

async function timeOf(run: RunCommand, stream: string): Promise<number> {
  const [seconds, micros] = (await run(stream, ['TIME'])) as readonly [string, string]
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
}

function recordsOf(reply: unknown): ReadonlyMap<string, Standstill> {
  const flat: readonly unknown[] = Array.isArray(reply)
    ? reply
    : reply instanceof Map
      ? [...reply].flat()
      : Object.entries(reply ?? {}).flat()
  const records = new Map<string, Standstill>()
  for (let n = 0; n + 1 < flat.length; n += 2) {
    const [since = '', ...state] = String(flat[n + 1]).split(' ')
    records.set(String(flat[n]), { since: Number(since), state: state.join(' ') })
  }
  return records
}
