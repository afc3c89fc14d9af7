import { OutageError } from '../backend/send-error.ts'
import { waitFor } from '../foundation/waiting.ts'
import { errorOfConnection } from './send-failure.ts'

/** Waits at most `timeout` ms; rejects with an `OutageError` then. */
export function within<T>(timeout: number, promise: Promise<T>): Promise<T> {
  return waitFor(promise, { timeout }, () => new OutageError(`no answer from the MQTT server within ${timeout} ms`))
}

/** Waits for a promise until `signal` aborts: the promise then goes on by itself. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return waitFor(promise, { signal }, () => errorOfConnection(signal.reason, 'ended before the MQTT server answered'))
}
