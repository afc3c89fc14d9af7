import { describeError } from '../foundation/describe-error.ts'
import { showValue } from '../foundation/problem.ts'
import { callWithin } from '../foundation/waiting.ts'
import type { Backend, BackendHealth } from './backend.ts'

/**
 * Checks a backend for at most `timeout` ms, even when it does not react to its signal. Never rejects: a check that
 * throws or does not end counts as unhealthy.
 */
export async function checkHealth(backend: Backend, timeout: number): Promise<BackendHealth> {
  const late = new Error(`no answer within ${timeout} ms`)
  try {
    return readHealth(
      await callWithin(
        { timeout },
        (signal) => backend.healthCheck(signal),
        () => late,
      ),
    )
  } catch (error) {
    return { healthy: false, detail: error === late ? late.message : describeError(error) }
  }
}

/** The answer of a user's own backend: `true` and `false` are believed, anything else counts as unhealthy. */
function readHealth(answer: unknown): BackendHealth {
  if (typeof answer === 'boolean') return { healthy: answer }
  const healthy: unknown = typeof answer === 'object' && answer !== null ? Reflect.get(answer, 'healthy') : undefined
  if (typeof healthy === 'boolean') return answer as BackendHealth
  return {
    healthy: false,
    detail: `the health check answered ${showValue(answer)}, which is neither { healthy: true } nor { healthy: false }`,
  }
}
