/** What decides whether a send may begin another of its events. Times in milliseconds. */
export interface Beginnings {
  /** How long the send may take. */
  readonly timeout: number
  /** It is the worker's, and not the backend's: the two need not fit. */
  readonly isOurs: boolean
  /** How long one event may take; undefined = the backend does not say. */
  readonly eventTimeout: number | undefined
  /** Nothing more is to be sent: the backend was paused, its breaker opened, or the worker stops. */
  readonly isHalted: () => boolean
}

/** At least this part of a send is for beginning events, whatever the backend says that one of them may take. */
const LEAST = 0.02
const LEAST_OF_OURS = 0.25

/** Whether a send that the backend is given now may begin another of its events. */
export function mayBegin({ timeout, isOurs, eventTimeout = 0, isHalted }: Beginnings): () => boolean {
  const until = performance.now() + Math.max(timeout - eventTimeout, timeout * (isOurs ? LEAST_OF_OURS : LEAST))
  return () => !isHalted() && performance.now() <= until
}
