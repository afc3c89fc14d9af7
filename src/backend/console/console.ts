import { encodeStructured } from '../../event/structured.ts'
import type { OutboxEvent } from '../../record/outbox-event.ts'
import { type Backend, delivered, notDelivered } from '../backend.ts'
import { OptionCheck } from '../option-check.ts'
import { sendByKey } from '../send-by-key.ts'

export interface ConsoleOptions {
  /** Writes one line, which ends with a line feed: `(line) => process.stdout.write(line)`. A promise is awaited. */
  readonly write: (line: string) => unknown
  /** `text`: time, type, id, key and data, for people. `json`: the whole event as JSON. Default 'text'. */
  readonly format?: 'text' | 'json'
}

/**
 * Writes each event as a line, for trying things out. An event is delivered when `write` returns.
 *
 * @example consoleBackend({ write: (line) => process.stdout.write(line) })
 */
export function consoleBackend(options: ConsoleOptions): Backend {
  const check = new OptionCheck('consoleBackend', options, ['write', 'format'])
  const format = check.oneOf('format', 'text', ['text', 'json'])
  if (typeof options.write !== 'function') check.problem('write', 'must be a function that takes a line')
  check.done()
  const { write } = options
  return {
    capabilities: { ordersWithinSend: true },
    send: (events, signal) =>
      sendByKey(events, signal, async (event) => {
        try {
          await write(`${format === 'json' ? encodeStructured(event.toEncodable()) : describe(event)}\n`)
          return delivered
        } catch (error) {
          return notDelivered(error)
        }
      }),
    healthCheck: async () => ({ healthy: true, detail: 'writes lines' }),
    close: async () => undefined,
  }
}

function describe(event: OutboxEvent): string {
  const key = event.partitionKey === null ? '' : ` key=${event.partitionKey}`
  const data = event.dataBinary ? `<${event.dataBinary.byteLength} bytes>` : (event.dataJson ?? '')
  // JSON data may be stored with line feeds between its tokens; inside its strings they are escaped.
  const line = `${event.time} ${event.eventType} ${event.eventId}${key} ${data}`
  return line
    .split(/[\r\n]+/)
    .map((part) => part.trim())
    .join(' ')
    .trimEnd()
}
