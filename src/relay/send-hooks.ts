import type { Backend } from '../backend/backend.ts'
import { BroadcasterError } from '../errors.ts'
import type { Messaging } from '../event/messaging.ts'
import type { OutgoingEvent } from '../event/outgoing-event.ts'
import type { Lease } from './lease.ts'

/** What goes out in one call of a backend. */
export interface Sending {
  /** The backend's name. */
  readonly backend: string
  /** What the backend says it sends to. */
  readonly messaging: Messaging | undefined
  /** In their order: several of a batch, or one. */
  readonly events: readonly OutgoingEvent[]
}

/** What is done around the work of a relay. */
export interface RelayHooks {
  /**
   * Around each call of a backend, also where it is called again for each event alone: calls it, once, and ends as it does. What
   * this throws counts as if the backend had thrown it, and the time that it takes is the backend's: when the time of the send, or
   * the lease, is over, `call` rejects with `SEND_NOT_ATTEMPTED` and calls nothing.
   */
  readonly aroundSend?: <T>(sending: Sending, call: () => Promise<T>) => Promise<T>
}

export interface HookedSend {
  /** The backend's name. */
  readonly name: string
  readonly backend: Backend
  readonly hooks?: RelayHooks | undefined
  readonly lease: Lease
}

/** Calls a backend, through the hook around it. `signal` aborts when the time of the send is over. */
export function callBackend<T>(
  { name, backend, hooks, lease }: HookedSend,
  events: readonly OutgoingEvent[],
  signal: AbortSignal,
  call: () => Promise<T>,
): Promise<T> {
  const around = hooks?.aroundSend
  if (around === undefined) return call()
  return around({ backend: name, messaging: backend.messaging, events }, async () => {
    // The events belong to another worker by then, or are sent again already: what goes out now would arrive behind
    // later ones.
    if (signal.aborted || !lease.allows(0)) throw tooLate(name)
    return call()
  })
}

function tooLate(backend: string): BroadcasterError {
  return new BroadcasterError('SEND_NOT_ATTEMPTED', `${backend} was not called: the time of this send was over before`)
}
