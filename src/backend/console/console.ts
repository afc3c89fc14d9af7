import type { OutgoingEvent } from '../../event/outgoing-event.ts'
import { encodeStructured } from '../../event/structured.ts'
import { callback, oneOf, required } from '../../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../../foundation/option-table.ts'
import { type Backend, delivered, notDelivered } from '../backend.ts'
import { rateOption } from '../rate.ts'
import { sendByKey } from '../send-by-key.ts'

export const CONSOLE = {
  /** Writes one line, line feed included: `(line) => process.stdout.write(line)`. A promise is awaited. */
  write: required(callback<(line: string) => unknown>('a function that takes a line')),
  /** `text`: time, type, id, key and data, for people. `json`: the whole event as JSON. Default 'text'. */
  format: oneOf('text', 'text', 'json'),
  /**
   * How fast events go there at most, from all workers together: `'50/s'`, `'3000/min'`, a number of events a second, or
   * `{ events, per, burst }`; each attempt counts. Default: no limit.
   */
  rate: rateOption(),
}
export type ConsoleBackendOptions = OptionsOf<typeof CONSOLE>

/**
 * Writes each event as a line, for trying things out. An event is delivered when `write` returns.
 *
 * @example consoleBackend({ write: (line) => process.stdout.write(line) })
 */
export function consoleBackend(options: ConsoleBackendOptions): Backend {
  const { write, format, rate } = readOptions('consoleBackend()', CONSOLE, options)
  return {
    description: 'console',
    messaging: { system: 'console' },
    capabilities: { ordersWithinSend: true },
    rate,
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

function describe(event: OutgoingEvent): string {
  const key = event.partitionKey === undefined ? '' : ` key=${event.partitionKey}`
  const data = event.dataBinary ? `<${event.dataBinary.byteLength} bytes>` : (event.dataJson ?? '')
  // JSON data may be stored with line feeds between its tokens; inside its strings they are escaped.
  const line = `${event.time} ${event.type} ${event.id}${key} ${data}`
  return line
    .split(/[\r\n]+/)
    .map((part) => part.trim())
    .join(' ')
    .trimEnd()
}
