import { BroadcasterError } from '../errors.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { encodeStructured } from '../event/structured.ts'
import { isoText } from '../foundation/iso-text.ts'

/** The fields of every entry, in this order, as Django Broadcaster writes them. */
export const ENTRY_FIELDS = ['event_id', 'event_type', 'source', 'timestamp', 'cloud_event'] as const

/** An entry of a stream: the values of `ENTRY_FIELDS`, then the names and values of the event's own fields. */
export interface Entry {
  readonly values: readonly [string, string, string, string, string]
  readonly extra: readonly string[]
  /** About how much it takes, in bytes. */
  readonly size: number
}

const RESERVED: ReadonlySet<string> = new Set(ENTRY_FIELDS)

/** The entry of an event. Throws `INVALID_OPTION` when its config cannot be written as fields. */
export function entryOf(event: OutgoingEvent): Entry {
  const cloudEvent = encodeStructured(event.toEncodable())
  const extra = extraFields(event.config)
  return {
    values: [event.id, event.type, event.source, isoText(event.createdAt), cloudEvent],
    extra,
    size: extra.reduce((size, text) => size + bytesOf(text), bytesOf(cloudEvent) + 300),
  }
}

/** Counts long texts only: that takes time, and a short text is small in any encoding. */
function bytesOf(text: string): number {
  return text.length < 64 * 1024 ? text.length : Buffer.byteLength(text)
}

/**
 * Every key of an event's config becomes a field of its entry. Throws `INVALID_OPTION` for a key that is one of
 * `ENTRY_FIELDS` and for a value that is not a string, number or boolean.
 */
export function extraFields(config: Readonly<Record<string, unknown>>): readonly string[] {
  const fields: string[] = []
  for (const [name, value] of Object.entries(config)) {
    if (RESERVED.has(name)) {
      throw new BroadcasterError(
        'INVALID_OPTION',
        `backendConfig.${name} would overwrite the entry's own field ${name}; choose another name`,
        { field: `backendConfig.${name}`, value },
      )
    }
    switch (typeof value) {
      case 'string':
      case 'number':
      case 'bigint':
      case 'boolean':
        fields.push(name, String(value))
        break
      default:
        throw new BroadcasterError(
          'INVALID_OPTION',
          `backendConfig.${name} becomes a field of the entry: it must be a string, number or boolean; write anything else as JSON text`,
          { field: `backendConfig.${name}`, value },
        )
    }
  }
  return fields
}
