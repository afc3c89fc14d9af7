import type { Backend } from '../backend/backend.ts'

/** At least this part of a send is for beginning events, whatever the backend says that one of them may take. */
const LEAST = 0.02
const LEAST_OF_OURS = 0.25

/**
 * Whether a send that the backend is given now, and that may take `timeout` ms, may begin another of its events. `isHalted`: nothing
 * more is to be sent, since the backend was paused, its breaker opened, or the worker stops.
 */
export function mayBegin(backend: Backend, timeout: number, isHalted: () => boolean): () => boolean {
  // Where the timeout is the worker's, and not the backend's, the two need not fit.
  const least = timeout * (backend.timeout === undefined ? LEAST_OF_OURS : LEAST)
  const until = performance.now() + Math.max(timeout - (backend.eventTimeout ?? 0), least)
  return () => !isHalted() && performance.now() <= until
}
