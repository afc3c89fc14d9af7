import { OutageError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import type { OpenNats } from './connection.ts'
import type { ResolvedNatsStream } from './options.ts'
import { failureOf } from './publish-error.ts'
import { takesSubject } from './subject.ts'

type Ask = OpenNats['ask']
type StreamConfig = import('@nats-io/jetstream').StreamConfig

const STREAM_NOT_FOUND = 10059
const STREAM_NAME_IN_USE = 10058

/** Finds the stream, or creates it if wanted. Rejects when it is missing or does not take its subjects. */
export async function checkStream(ask: Ask, stream: ResolvedNatsStream): Promise<void> {
  let info = await find(ask, stream.name)
  if (info === undefined && stream.create) {
    await create(ask, stream)
    info = await find(ask, stream.name)
  }
  if (info === undefined) {
    throw new OutageError(
      `there is no stream ${stream.name}; create it, or have the backend do it by natsJetStream({ stream: { name, create: true } })`,
      {
        field: 'stream',
        value: stream.name,
      },
    )
  }
  const missing = stream.subjects?.filter((subject) => !info.includes(subject)) ?? []
  if (missing.length === 0) return
  throw new OutageError(
    `the stream ${stream.name} does not have the subjects ${missing.join(', ')}; add them, or leave stream.subjects out`,
    { field: 'stream', value: stream.name },
  )
}

/**
 * Why no stream took a message: an outage, unless the stream exists and merely lacks the subject. That is a failure of
 * one event, and must not hold up the others.
 */
export async function errorOfNoResponders(
  ask: Ask,
  { name }: ResolvedNatsStream,
  subject: string,
): Promise<BroadcasterError> {
  try {
    const subjects = await find(ask, name)
    if (subjects === undefined) return new OutageError(`there is no stream ${name}`, { field: 'stream', value: name })
    if (subjects.some((each) => takesSubject(each, subject))) {
      return new OutageError(`the stream ${name} has the subject ${subject}, but did not answer`)
    }
    const message = `the stream ${name} does not have the subject ${subject} (it has ${subjects.join(', ')}); add it`
    return new BroadcasterError('SEND_FAILED', message, { field: 'subject', value: subject })
  } catch (error) {
    return new OutageError(`no stream has taken the event: ${failureOf(error).error.message}`, { cause: error })
  }
}

/** Whether the stream refuses what is too much for one subject: being full then concerns some events only. */
export async function refusesBySubject(ask: Ask, { name }: ResolvedNatsStream): Promise<boolean> {
  try {
    const { config, state } = await ask((manager) => manager.streams.info(name))
    if (config.discard_new_per_subject !== true) return false
    const isFull = (most: number | undefined, now: number): boolean => most !== undefined && most > 0 && now >= most
    return !isFull(config.max_msgs, state.messages) && !isFull(config.max_bytes, state.bytes)
  } catch {
    return false
  }
}

/** The subjects of the stream; undefined = there is no such stream. */
async function find(ask: Ask, name: string): Promise<readonly string[] | undefined> {
  try {
    return (await ask((manager) => manager.streams.info(name))).config.subjects ?? []
  } catch (error) {
    if (codeOf(error) === STREAM_NOT_FOUND) return undefined
    throw error
  }
}

async function create(ask: Ask, stream: ResolvedNatsStream): Promise<void> {
  const config = {
    ...stream.config,
    name: stream.name,
    subjects: [...(stream.subjects ?? ['events.>'])],
    // Nanoseconds.
    duplicate_window: stream.duplicateWindow * 1_000_000,
  } as Partial<StreamConfig> & { name: string }
  try {
    await ask((manager) => manager.streams.add(config))
  } catch (error) {
    // Another worker was faster, with other options.
    if (codeOf(error) !== STREAM_NAME_IN_USE) throw error
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
