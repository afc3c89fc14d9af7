import { createHash } from 'node:crypto'
import type { Entry } from './entry.ts'
import type { TrimClause } from './options.ts'

/**
 * Appends a batch to one stream, in order; after an entry that Redis refuses, none of the same key. One command and one
 * reply for the whole batch: 3 us of this process's CPU for each event, against 13 for pipelined XADDs (measured in
 * docs/decisions/0020-redis-send.md).
 *
 * ARGV: trim kind, operator and bound; then for each entry its key, the number of its extra arguments, the five values,
 * the extra arguments. Returns nil when every entry was added, otherwise for each: 1 = added, 0 = not attempted, or the
 * text of Redis's error. Only the last entry of a batch trims. MINID is taken from Redis's own clock: a host whose
 * clock is ahead would trim unread entries.
 */
export const APPEND_SCRIPT = `
local stream, argv, pcall = KEYS[1], ARGV, redis.pcall
local kind, operator, bound = argv[1], argv[2], argv[3]
if kind == 'MINID' then
  local now = redis.call('TIME')
  bound = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000) - bound)
end
local count, i, at = #argv, 4, 0
local results, stopped
while i <= count do
  at = at + 1
  local key, extra = argv[i], argv[i + 1]
  local following = i + 7
  if extra ~= '0' then following = following + tonumber(extra) end
  if stopped and stopped[key] then
    results[at] = 0
  else
    local reply
    if extra == '0' and (kind == '' or following <= count) then
      reply = pcall('XADD', stream, '*', 'event_id', argv[i + 2], 'event_type', argv[i + 3], 'source', argv[i + 4],
        'timestamp', argv[i + 5], 'cloud_event', argv[i + 6])
    else
      local args = {'XADD', stream}
      if kind ~= '' and following > count then
        args[3], args[4], args[5] = kind, operator, bound
      end
      args[#args + 1] = '*'
      for f, name in ipairs({'event_id', 'event_type', 'source', 'timestamp', 'cloud_event'}) do
        args[#args + 1] = name
        args[#args + 1] = argv[i + 1 + f]
      end
      for e = i + 7, following - 1 do args[#args + 1] = argv[e] end
      reply = pcall(unpack(args))
    end
    if type(reply) == 'table' then
      if not results then
        results, stopped = {}, {}
        for earlier = 1, at - 1 do results[earlier] = 1 end
      end
      results[at] = reply.err
      if key ~= '' then stopped[key] = true end
    elseif results then
      results[at] = 1
    end
  end
  i = following
end
return results or false
`

/** The digest under which Redis keeps the script. */
export const APPEND_SCRIPT_SHA = createHash('sha1').update(APPEND_SCRIPT).digest('hex')

/** One entry of a batch, and its partition key. */
export interface KeyedEntry {
  readonly key: string | null
  readonly entry: Entry
}

/** The command that runs the script: by its digest, or in full, which makes Redis keep it. */
export function appendCommand(
  how: 'EVALSHA' | 'EVAL',
  stream: string,
  trim: TrimClause | undefined,
  batch: readonly KeyedEntry[],
): [string, ...string[]] {
  const args: [string, ...string[]] = [
    how,
    how === 'EVALSHA' ? APPEND_SCRIPT_SHA : APPEND_SCRIPT,
    '1',
    stream,
    trim?.kind ?? '',
    trim?.operator ?? '',
    String(trim?.bound ?? ''),
  ]
  for (const { key, entry } of batch) {
    const [id, type, source, timestamp, cloudEvent] = entry.values
    // An empty argument is not a key, and a key may be the empty string.
    args.push(key === null ? '' : `=${key}`, String(entry.extra.length), id, type, source, timestamp, cloudEvent)
    if (entry.extra.length > 0) args.push(...entry.extra)
  }
  return args
}

/** What the script says of one entry. */
export type Appended = 'added' | 'not-attempted' | { readonly error: string }

/** Reads the script's reply. Undefined when it has another shape, as from a proxy that answers for Redis. */
export function readAppended(reply: unknown, count: number): readonly Appended[] | undefined {
  if (reply === null) return new Array<Appended>(count).fill('added')
  if (!Array.isArray(reply) || reply.length !== count) return undefined
  return reply.map((each: unknown) =>
    Number(each) === 1 ? 'added' : Number(each) === 0 ? 'not-attempted' : { error: String(each) },
  )
}
