import type { Backend } from '../backend/backend.ts'
import { BroadcasterError } from '../errors.ts'

/** No longer than a lease may be, in milliseconds. */
const LONGEST_TIMEOUT = 600_000

/** Throws `INVALID_OPTION` for a backend whose `timeout` is not a time: with NaN its events would wait for ever. */
export function checkTimeouts(backends: readonly (readonly [name: string, backend: Backend])[]): void {
  for (const [name, { timeout = 1 }] of backends) {
    if (typeof timeout === 'number' && timeout > 0 && timeout <= LONGEST_TIMEOUT) continue
    const message = `the timeout of backend '${name}' is ${String(timeout)}; give a number of milliseconds from 1 to ${LONGEST_TIMEOUT}`
    throw new BroadcasterError('INVALID_OPTION', message, { field: 'timeout', value: timeout })
  }
}
