import { type FileHandle, open } from 'node:fs/promises'
import { encodeStructured } from '../../event/structured.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { type Backend, delivered, notAttempted, notDelivered, type SendResult } from '../backend.ts'
import { Gate } from '../gate.ts'
import { OptionCheck } from '../option-check.ts'
import { OutageError, PermanentError } from '../send-error.ts'

export interface FileOptions {
  /** The file that is appended to; made when it is not there. Its directory must exist. */
  readonly path: string
  /** One CloudEvent in JSON on each line. Default and only choice: 'jsonl'. */
  readonly format?: 'jsonl'
  /** Wait until the lines are on the disk: they survive a power cut. Default false. */
  readonly fsync?: boolean
}

/**
 * Appends events to a file, one CloudEvent in JSON on each line. Several processes may append to the same file on a
 * local disk. The file is opened for each send, so that it can be moved away at any time.
 *
 * @example file({ path: './events.jsonl' })
 */
export function file(options: FileOptions): Backend {
  const check = new OptionCheck('file', options, ['path', 'format', 'fsync'])
  const path = check.text('path')
  if (options.path === undefined) check.problem('path', 'is missing; give the file to append to')
  check.oneOf('format', 'jsonl', ['jsonl'])
  const fsync = check.boolean('fsync', false)
  check.done()
  // One write after the other: two at once could mix their lines.
  const gate = new Gate(1)
  return {
    capabilities: { ordersWithinSend: true },
    send: (events, signal) =>
      send(events, path ?? '', signal, (text) =>
        gate.run(async () => {
          // Its turn may come long after its send has ended.
          if (!signal.aborted) await append(path ?? '', text, fsync)
        }),
      ),
    healthCheck: async (signal) => {
      try {
        await untilAborted(
          open(path ?? '', 'a').then((handle) => handle.close()),
          signal,
        )
        return { healthy: true, detail: `${path} can be written` }
      } catch (error) {
        return { healthy: false, detail: messageOf(error) }
      }
    },
    close: async () => undefined,
  }
}

async function send(
  events: readonly OutboxEvent[],
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
    if (key !== null && stopped.has(key)) continue
    try {
      text += `${oneLine(encodeStructured(event.toEncodable()))}\n`
      written.push(at)
    } catch (cause) {
      results[at] = notDelivered(new PermanentError(`the event cannot be written: ${messageOf(cause)}`, { cause }))
      if (key !== null) stopped.add(key)
    }
  }
  if (signal.aborted || text === '') return results
  let result: SendResult = delivered
  try {
    await untilAborted(write(text), signal)
  } catch (cause) {
    // Part of it may have been written: those events arrive twice, and the torn line is not JSON.
    result = notDelivered(new OutageError(`cannot append to ${path}: ${messageOf(cause)}`, { cause }))
  }
  for (const at of written) results[at] = result
  return results
}

/** A disk may hang for ever: the work goes on, and whoever waited for it is told. */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
