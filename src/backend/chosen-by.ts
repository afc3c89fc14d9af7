import type { OutgoingEvent } from '../event/outgoing-event.ts'
import { errorMessage } from '../foundation/error-message.ts'
import { PermanentError } from './send-error.ts'

/** What a function of the user's, the option `name`, chooses for an event. Throws a `PermanentError` when it throws. */
export function chosenBy(name: string, choose: (event: OutgoingEvent) => unknown, event: OutgoingEvent): unknown {
  try {
    return choose(event)
  } catch (cause) {
    throw new PermanentError(`the function ${name} threw: ${errorMessage(cause)}`, { field: name, cause })
  }
}
