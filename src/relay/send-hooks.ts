import type { OutgoingEvent } from '../event/outgoing-event.ts'

/** What goes out in one call of a backend. */
export interface Sending {
  /** The backend's name. */
  readonly backend: string
  readonly events: readonly OutgoingEvent[]
}

/** What is done around the work of a relay. */
export interface RelayHooks {
  /**
   * Around each call of a backend, also where it is called again for each event alone: calls it, once, and ends as it does. What
   * this throws counts as if the backend had thrown it, and the time that it takes is the backend's.
   */
  readonly aroundSend?: <T>(sending: Sending, call: () => Promise<T>) => Promise<T>
}

/** Calls a backend, through the hook around it. */
export function callBackend<T>(
  { name, hooks }: { readonly name: string; readonly hooks?: RelayHooks | undefined },
  events: readonly OutgoingEvent[],
  call: () => Promise<T>,
): Promise<T> {
  const around = hooks?.aroundSend
  return around ? around({ backend: name, events }, call) : call()
}
