import type { Backend } from '../backend/backend.ts'
import { isMissingDependency } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import { callWithin } from '../foundation/waiting.ts'

/**
 * Opens the connections of backends before there is an event, each within `timeout` ms. One that is down is reported to `onError`:
 * its breaker deals with it. Rejects with `MISSING_DEPENDENCY`, which waiting does not fix.
 */
export async function connectBackends(
  served: readonly (readonly [string, Backend])[],
  timeout: number,
  onError: (error: unknown) => void,
): Promise<void> {
  const late = (): Error => new BroadcasterError('SEND_TIMEOUT', `the backend did not answer within ${timeout} ms`)
  const missing: BroadcasterError[] = []
  await Promise.all(
    served.map(async ([, backend]) => {
      try {
        await callWithin({ timeout }, (signal) => backend.connect?.(signal), late)
      } catch (error) {
        if (isMissingDependency(error)) missing.push(error)
        else onError(error)
      }
    }),
  )
  if (missing[0] !== undefined) throw missing[0]
}
