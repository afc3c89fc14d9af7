import { BroadcasterError } from '../errors.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { PermanentError } from './send-error.ts'

/** Makes a `checkEvent` from the check in `send`: what fails for good there is refused by `publish`. */
export function refuseEvent(check: (event: OutgoingEvent) => void): (event: OutgoingEvent) => void {
  return (event) => {
    try {
      check(event)
    } catch (error) {
      if (!(error instanceof PermanentError)) throw error
      const { field, value } = error
      throw new BroadcasterError('INVALID_EVENT', error.message, { ...(field === undefined ? {} : { field }), value })
    }
  }
}
