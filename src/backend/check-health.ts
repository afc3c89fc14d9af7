import { describeError } from '../describe-error.ts'
import { showValue } from '../problem.ts'
import type { Backend, BackendHealth } from './backend.ts'

/**
 * Asks a backend how it is, for at most `timeout` ms, even when it does not heed its signal. Never rejects: a check
 * that throws or does not end is ill health.
 */
export async function checkHealth(backend: Backend, timeout: number): Promise<BackendHealth> {
  const stop = new AbortController()
  const late = Promise.withResolvers<BackendHealth>()
  const timer = setTimeout(() => {
    stop.abort()
    late.resolve({ healthy: false, detail: `no answer within ${timeout} ms` })
  }, timeout)
  try {
    return readHealth(await Promise.race([backend.healthCheck(stop.signal), late.promise]))
  } catch (error) {
    return { healthy: false, detail: describeError(error) }
  } finally {
    clearTimeout(timer)
  }
}

/** What a backend of the user's own answered: `true` and `false` are taken at their word, anything else is ill health. */
function readHealth(answer: unknown): BackendHealth {
  if (typeof answer === 'boolean') return { healthy: answer }
  const healthy: unknown = typeof answer === 'object' && answer !== null ? Reflect.get(answer, 'healthy') : undefined
  if (typeof healthy === 'boolean') return answer as BackendHealth
  return {
    healthy: false,
    detail: `the health check answered ${showValue(answer)}, which is no { healthy: true } or false`,
  }
}
