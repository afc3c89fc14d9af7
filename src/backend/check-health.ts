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
    return await Promise.race([backend.healthCheck(stop.signal), late.promise])
  } catch (error) {
    return { healthy: false, detail: error instanceof Error ? error.message : String(error) }
  } finally {
    clearTimeout(timer)
  }
}
