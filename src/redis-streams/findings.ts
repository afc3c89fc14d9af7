import type { BackendFinding } from '../backend/backend.ts'
import type { RunCommand } from './client.ts'
import type { ResolvedRedisStreamsOptions } from './options.ts'
import { standstills } from './standstill.ts'
import { type GroupState, missedBy, readGroups, readStream, type StreamState } from './stream-state.ts'

/** A stream that is not trimmed is reported from this many entries on. */
const LARGE = 100_000

/** What a person should know about a stream: entries trimmed unread, idle groups, unlimited growth. */
export async function findingsOf(
  run: RunCommand,
  stream: string,
  options: ResolvedRedisStreamsOptions,
): Promise<readonly BackendFinding[]> {
  const state = await readStream(run, stream)
  if (state === undefined) return []
  const groups = await readGroups(run, stream)
  return [
    ...groups.flatMap((group) => missed(stream, group, state)),
    ...(options.trimsAcknowledged ? await idle(run, stream, { ...state, groups }, options.groupExpiry) : []),
    ...growth(stream, state, groups, options),
  ]
}

function missed(stream: string, group: GroupState, state: StreamState): readonly BackendFinding[] {
  const count = missedBy(group, state)
  if (count === undefined || count === 0) return []
  return [
    {
      level: 'wrong',
      message: `entries of the stream ${stream} were trimmed before the group ${group.name} had read them: ${count.toLocaleString('en')}`,
      cure: "replay them (broadcaster replay), and trim with trim: 'acknowledged', or keep more",
    },
  ]
}

async function idle(
  run: RunCommand,
  stream: string,
  state: StreamState & { readonly groups: readonly GroupState[] },
  expiry: number,
): Promise<readonly BackendFinding[]> {
  const { expired, idle } = await standstills(run, stream, state, expiry, 'look')
  return [...expired].map((name) => ({
    level: 'advice',
    message: `the group ${name} of the stream ${stream} has been stalled for ${hoursOf(idle.get(name) ?? expiry)}: what it has not read is trimmed`,
    cure: `start its consumers, or XGROUP DESTROY ${stream} ${name} if it is not needed any more`,
  }))
}

function growth(
  stream: string,
  { length }: StreamState,
  groups: readonly GroupState[],
  { trim, trimsAcknowledged }: ResolvedRedisStreamsOptions,
): readonly BackendFinding[] {
  if (trim !== undefined || length < LARGE) return []
  const many = `the stream ${stream} has ${length.toLocaleString('en')} entries`
  if (!trimsAcknowledged) {
    const cure = "trim: 'acknowledged' drops what every group has acknowledged"
    return [{ level: 'advice', message: `${many}, and nothing trims it`, cure }]
  }
  if (groups.length > 0) return []
  const cure = 'start a consumer, or trim by maxLength'
  return [{ level: 'advice', message: `${many}: it is not trimmed, since no group reads it`, cure }]
}

function hoursOf(duration: number): string {
  const hours = Math.floor(duration / 3_600_000)
  return hours >= 48
    ? `${Math.floor(hours / 24)} days`
    : hours >= 2
      ? `${hours} hours`
      : `${Math.floor(duration / 1000)} s`
}
