import { type ReadEvent, readEvent } from '../consumer/read-event.ts'
import { BroadcasterError } from '../errors.ts'
import { decodeStructured } from '../event/structured.ts'
import { REQUEUED_FOR_FIELD } from './dead-letter.ts'
import type { GroupEntry } from './group.ts'

/** The event of an entry: its field `cloud_event`. */
export function readEntry({ fields }: Pick<GroupEntry, 'fields'>): ReadEvent {
  return readEvent(() => {
    if (fields === null) {
      const message = 'the entry was trimmed from the stream before it was handled; keep the stream longer'
      throw new BroadcasterError('DECODE_FAILED', message, { field: 'entry' })
    }
    const at = fields.findIndex((name, n) => n % 2 === 0 && name === 'cloud_event')
    const text = fields[at + 1]
    if (at < 0 || text === undefined) {
      const message = 'the entry has no field cloud_event: it is not an event of Broadcaster'
      throw new BroadcasterError('DECODE_FAILED', message, { field: 'cloud_event' })
    }
    return decodeStructured(text)
  })
}

/** Whether this entry is a requeued dead letter of another consumer. */
export function isForAnother({ fields }: Pick<GroupEntry, 'fields'>, consumer: string): boolean {
  const at = fields?.findLastIndex((name, n) => n % 2 === 0 && name === REQUEUED_FOR_FIELD) ?? -1
  return at >= 0 && fields?.[at + 1] !== consumer
}
