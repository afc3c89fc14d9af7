import { type FileHandle, open } from 'node:fs/promises'
import type { OutgoingEvent } from '../../event/outgoing-event.ts'
import { encodeStructured } from '../../event/structured.ts'
import { errorMessage } from '../../foundation/error-message.ts'
import { flag, required, text } from '../../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../../foundation/option-table.ts'
import { waitFor } from '../../foundation/waiting.ts'
import { type Backend, delivered, notAttempted, notDelivered, type SendResult } from '../backend.ts'
import { describeBackend } from '../describe-backend.ts'
import { Gate } from '../gate.ts'
import { rateOption } from '../rate.ts'
import { OutageError, PermanentError } from '../send-error.ts'

export const FILE = {
  /** The file that is appended to; made when it is not there. Its directory must exist. */
  path: required(text(undefined)),
  /** Wait until the lines are on the disk: they survive a power cut. Default false. */
  fsync: flag(false),
  /**
   * How fast events go there at most, from all workers together: `'50/s'`, `'3000/min'`, a number of events a second, or
   * `{ events, per, burst }`; each attempt counts. Default: no limit.
   */
  rate: rateOption(),
}
export type FileBackendOptions = OptionsOf<typeof FILE>

/**
 * Appends events to a file, one CloudEvent in JSON on each line. Several processes may append to the same file on a
 * local disk. The file is opened for each send, so that it can be moved away at any time.
 *
 * @example fileBackend({ path: './events.jsonl' })
 */
export function fileBackend(options: FileBackendOptions): Backend {
  const { path, fsync, rate } = readOptions('fileBackend()', FILE, options)
  // One write after the other: two at once could mix their lines.
  const gate = new Gate(1)
  return {
    ...describeBackend('file', path),
    capabilities: { ordersWithinSend: true },
    rate,
    send: (events, signal) =>
      send(events, path, signal, (text) =>
        gate.run(async () => {
          // The turn may come long after the send has ended.
          if (!signal.aborted) await append(path, text, fsync)
        }),
      ),
    healthCheck: async (signal) => {
      try {
        await untilAborted(
          open(path, 'a').then((handle) => handle.close()),
          signal,
        )
        return { healthy: true, detail: `${path} can be written` }
      } catch (error) {
        return { healthy: false, detail: errorMessage(error) }
      }
    },
    close: async () => undefined,
  }
}

async function send(
  events: readonly OutgoingEvent[],
  path: string,
  signal: AbortSignal,
  write: (text: string) => Promise<void>,
): Promise<readonly SendResult[]> {
  const results = new Array<SendResult>(events.length).fill(notAttempted)
  const written: number[] = []
  const stopped = new Set<string>()
  let text = ''
  for (const [at, event] of events.entries()) {
    const key = event.partitionKey
    if (key !== undefined && stopped.has(key)) continue
    try {
      text += `${oneLine(encodeStructured(event.toEncodable()))}\n`
      written.push(at)
    } catch (cause) {
      results[at] = notDelivered(new PermanentError(`the event cannot be written: ${errorMessage(cause)}`, { cause }))
      if (key !== undefined) stopped.add(key)
    }
  }
  if (signal.aborted || text === '') return results
  let result: SendResult = delivered
  try {
    await untilAborted(write(text), signal)
  } catch (cause) {
    // Part of it may have been written: those events arrive twice, and the torn line is not JSON.
    result = notDelivered(new OutageError(`cannot append to ${path}: ${errorMessage(cause)}`, { cause }))
  }
  for (const at of written) results[at] = result
  return results
}

/** A disk may hang for ever: the write is left to itself, and the caller is told. */
function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return waitFor(work, { signal }, () => signal.reason)
}

async function append(path: string, text: string, fsync: boolean): Promise<void> {
  const handle = await open(path, 'a+')
  try {
    // A write that failed half-way has left a torn line; ours begins on a new one.
    await handle.appendFile((await endsOpen(handle)) ? `\n${text}` : text)
    if (fsync) await handle.sync()
  } finally {
    await handle.close()
  }
}

async function endsOpen(handle: FileHandle): Promise<boolean> {
  const { size } = await handle.stat()
  if (size === 0) return false
  const last = Buffer.alloc(1)
  await handle.read(last, 0, 1, size - 1)
  return last[0] !== 0x0a
}

/** JSON data may be stored with line feeds between its tokens; inside its strings they are escaped. */
function oneLine(json: string): string {
  return /[\r\n]/.test(json) ? json.replace(/[\r\n]+/g, ' ') : json
}
