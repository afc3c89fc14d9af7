import type { Backend, BackendFinding } from './backend.ts'

/**
 * Asks a backend what a person should know of it, for at most `timeout` ms, even when it does not heed its signal. Never
 * rejects: one that cannot be asked has nothing to say here, and its health check says why.
 */
export async function lookInto(backend: Backend, timeout: number): Promise<readonly BackendFinding[]> {
  if (backend.findings === undefined) return []
  const stop = new AbortController()
  const late = Promise.withResolvers<readonly BackendFinding[]>()
  const timer = setTimeout(() => {
    stop.abort()
    late.resolve([])
  }, timeout)
  try {
    return await Promise.race([backend.findings(stop.signal), late.promise])
  } catch {
    return []
  } finally {
    clearTimeout(timer)
  }
}
