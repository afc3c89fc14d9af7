import { BroadcasterError } from '../../errors.ts'
import { decodeStructured } from '../../event/structured.ts'
import type { Delivery } from '../subscription.ts'
import { REQUEUED_FOR_FIELD } from './dead-letter.ts'
import type { Entry } from './group.ts'

/** The event of an entry: its field `cloud_event`. */
export function readEntry({ fields }: Pick<Entry, 'fields'>): Pick<Delivery, 'event' | 'problem'> {
  if (fields === null) {
    const message = 'the entry was trimmed from the stream before it was handled; keep the stream longer'
    return { event: undefined, problem: new BroadcasterError('DECODE_FAILED', message, { field: 'entry' }) }
  }
  const at = fields.findIndex((name, n) => n % 2 === 0 && name === 'cloud_event')
  const text = fields[at + 1]
  if (at < 0 || text === undefined) {
    const message = 'the entry has no field cloud_event: it is no event of Broadcaster'
    return { event: undefined, problem: new BroadcasterError('DECODE_FAILED', message, { field: 'cloud_event' }) }
  }
  try {
    return { event: decodeStructured(text) }
  } catch (problem) {
    return { event: undefined, problem }
  }
}

/** Whether a dead letter of another consumer was requeued as this entry. */
export function isForAnother({ fields }: Pick<Entry, 'fields'>, consumer: string): boolean {
  const at = fields?.findLastIndex((name, n) => n % 2 === 0 && name === REQUEUED_FOR_FIELD) ?? -1
  return at >= 0 && fields?.[at + 1] !== consumer
}
