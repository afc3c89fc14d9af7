import { delivered, notAttempted, notDelivered, type SendResult } from '../backend/backend.ts'
import { OutageError } from '../backend/send-error.ts'
import { type Appended, appendCommand, readAppended } from './append-script.ts'
import type { OpenRedis } from './connection.ts'
import { ENTRY_FIELDS, type Entry } from './entry.ts'
import type { ResolvedRedisStreamsOptions, TrimClause } from './options.ts'
import { codeOf, errorOfConnection, errorOfReply, replyCode } from './reply-error.ts'
import { type Settlement, settleWithin } from './settle-within.ts'
import type { Waiting } from './wave.ts'

/** An event on its way into a stream. */
export interface WaitingEntry extends Waiting {
  readonly entry: Entry
}

/** The outcome of an event: its result, or `plain`: the script could not add it, a plain XADD tells why. */
export type AppendResult = SendResult | 'plain'

export interface Appender {
  readonly connection: OpenRedis
  readonly options: ResolvedRedisStreamsOptions
  readonly signal: AbortSignal
  /** Called when the connection broke, or a reply is overdue. */
  readonly onBroken: () => void
  /** Called with the code of an error reply, which may mean that this server cannot serve now. */
  readonly onRefused: (code: string | undefined) => void
}

/** Appends a batch to its stream with the script: one command, one reply, order kept by Redis itself. */
export async function appendByScript(
  appender: Appender,
  stream: string,
  batch: readonly WaitingEntry[],
): Promise<readonly AppendResult[]> {
  const { connection, options } = appender
  const run = (how: 'EVALSHA' | 'EVAL') => ask(appender, stream, [appendCommand(how, stream, options.trim, batch)])
  let [reply] = await run('EVALSHA')
  // After a restart Redis does not know the script; nothing was added.
  if (reply?.kind === 'error' && replyCode(reply.error) === 'NOSCRIPT') [reply] = await run('EVAL')

  const all = (result: AppendResult): AppendResult[] => batch.map(() => result)
  if (reply?.kind !== 'value') {
    const code = reply?.kind === 'error' ? replyCode(reply.error) : undefined
    if (code === 'NOPERM' || code === 'ERR') {
      // This user or server may not run scripts. The script never fails as a whole, so nothing was added.
      connection.scripting = false
      return all('plain')
    }
    return all(resultOf(appender, stream, reply))
  }
  const appended = readAppended(reply.value, batch.length)
  if (appended === undefined) {
    return all(notDelivered(errorOfReply(`unexpected reply ${JSON.stringify(reply.value)}`, stream, false)))
  }
  // Inside a script an ACL violation is a mere ERR: a plain XADD of the same entry gets the real code. It is sent with
  // the entries of its key that were not attempted because of it.
  const unclear = new Set<string | null>()
  const results = appended.map((each, n): AppendResult => {
    const key = batch[n]?.key ?? null
    if (typeof each === 'object' && codeOf(each.error) === 'ERR') {
      unclear.add(key)
      return 'plain'
    }
    return key !== null && unclear.has(key) ? 'plain' : resultOfAppended(each, stream, options)
  })
  for (const each of appended) if (typeof each === 'object') appender.onRefused(codeOf(each.error))
  return replicated(appender, stream, results)
}

/** Appends entries with one XADD each, all in flight at the same time; at most one of a key may be among them. */
export async function appendPlainly(
  appender: Appender,
  stream: string,
  batch: readonly WaitingEntry[],
): Promise<readonly SendResult[]> {
  const [trim, failure] = await fixTrim(appender, stream)
  if (failure) return batch.map(() => failure)
  const commands = batch.map(({ entry }): [string, ...string[]] => [
    'XADD',
    stream,
    ...trim,
    '*',
    ...ENTRY_FIELDS.flatMap((name, n) => [name, entry.values[n] ?? '']),
    ...entry.extra,
  ])
  const replies = await ask(appender, stream, commands)
  return replicated(
    appender,
    stream,
    replies.map((reply) => resultOf(appender, stream, reply)),
  )
}

/** An entry on too few replicas counts as an outage: it is sent again, to whichever server is then the master. */
async function replicated<Result extends AppendResult>(
  appender: Appender,
  stream: string,
  results: readonly Result[],
): Promise<readonly (Result | SendResult)[]> {
  const { replicas, timeout } = appender.options
  const added = (result: AppendResult): boolean => result !== 'plain' && result.ok
  if (replicas === 0 || !results.some(added)) return results
  const [reply] = await ask(appender, stream, [['WAIT', String(replicas), String(Math.ceil(timeout / 2))]])
  if (reply?.kind === 'value' && Number(reply.value) >= replicas) return results
  let failure = resultOf(appender, stream, reply)
  if (reply?.kind === 'value') {
    appender.onRefused('NOREPLICAS')
    failure = notDelivered(new OutageError(`${Number(reply.value)} replicas of Redis have it, and not ${replicas}`))
  }
  return results.map((result) => (added(result) ? failure : result))
}

/** The trimming arguments of XADD; an age becomes an id by Redis's clock. */
async function fixTrim(appender: Appender, stream: string): Promise<[readonly string[], SendResult | undefined]> {
  const { trim } = appender.options
  if (trim === undefined) return [[], undefined]
  if (trim.kind === 'MAXLEN') return [argsOf(trim, trim.bound), undefined]
  const [reply] = await ask(appender, stream, [['TIME']])
  if (reply?.kind !== 'value') return [[], resultOf(appender, stream, reply)]
  const [seconds, micros] = Array.isArray(reply.value) ? reply.value : []
  return [argsOf(trim, Number(seconds) * 1000 + Math.floor(Number(micros) / 1000) - trim.bound), undefined]
}

function argsOf(trim: TrimClause, bound: number): readonly string[] {
  return [trim.kind, trim.operator, String(bound)]
}

async function ask(
  appender: Appender,
  stream: string,
  commands: readonly [string, ...string[]][],
): Promise<readonly Settlement<unknown>[]> {
  const { connection, options, signal } = appender
  const due = performance.now() + options.timeout
  const replies = commands.map(async (command) => connection.run(stream, command))
  const settled = await settleWithin(replies, options.timeout, signal)
  if (settled.some((each) => each.kind === 'open' && each.because === 'aborted')) void watch(appender, replies, due)
  return settled
}

/** A send that was cut short says nothing about its connection; replies that are overdue do. */
async function watch(appender: Appender, replies: readonly Promise<unknown>[], due: number): Promise<void> {
  const settled = await settleWithin(replies, due - performance.now(), new AbortController().signal)
  if (settled.some(({ kind }) => kind === 'open')) appender.onBroken()
}

function resultOfAppended(each: Appended, stream: string, options: ResolvedRedisStreamsOptions): SendResult {
  if (each === 'added') return delivered
  if (each === 'not-attempted') return notAttempted
  return notDelivered(errorOfReply(each.error, stream, typeof options.stream === 'function'))
}

function resultOf(appender: Appender, stream: string, reply: Settlement<unknown> | undefined): SendResult {
  if (reply?.kind === 'value') return delivered
  if (reply?.kind === 'error') {
    const { error } = reply
    if (replyCode(error) !== undefined) {
      const text = error instanceof Error ? error.message.replace(/^-/, '') : ''
      appender.onRefused(replyCode(error))
      return notDelivered(errorOfReply(text, stream, typeof appender.options.stream === 'function', error))
    }
    // The client refused to write it, for example a string that is too long: the connection is not to blame.
    if (error instanceof TypeError || error instanceof RangeError) return notDelivered(error)
    appender.onBroken()
    return notDelivered(errorOfConnection(error))
  }
  if (reply?.because === 'aborted') {
    // Other sends may share the connection, and an abort does not mean that it is broken; `watch` finds out.
    return notDelivered(new OutageError('the send ended before Redis replied', { cause: appender.signal.reason }))
  }
  appender.onBroken()
  return notDelivered(new OutageError(`no reply from Redis within ${appender.options.timeout} ms`))
}
