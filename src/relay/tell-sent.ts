import type { SendResult } from '../backend/backend.ts'
import type { CycleOptions } from './cycle-options.ts'

/** Tells that a send returned, with what became of its events. `duration`: in ms. */
export function tellSent(
  { backend, name, signals, worker }: Pick<CycleOptions, 'backend' | 'name' | 'signals' | 'worker'>,
  results: readonly (SendResult | undefined)[],
  duration: number,
): void {
  const errors = results.flatMap((result) => (result?.ok ? [] : [result?.error]))
  const [sent, delivered] = [results.length, results.length - errors.length]
  const { messaging } = backend
  signals.emit('batch.sent', { backend: name, messaging, worker, sent, delivered, errors, duration })
}
