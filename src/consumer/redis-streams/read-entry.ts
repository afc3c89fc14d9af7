import { BroadcasterError } from '../../errors.ts'
import { decodeStructured } from '../../event/structured.ts'
import type { Delivery } from '../subscription.ts'
import type { Entry } from './group.ts'

/** The event of an entry: its field `cloud_event`. */
export function readEntry({ fields }: Entry): Pick<Delivery, 'event' | 'problem'> {
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
