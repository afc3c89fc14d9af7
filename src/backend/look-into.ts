import { callWithin } from '../foundation/waiting.ts'
import type { Backend, BackendFinding } from './backend.ts'

/**
 * Asks a backend what a person should know of it, for at most `timeout` ms, even when it does not react to its signal. Never
 * rejects: one that cannot be asked has nothing to say here, and its health check says why.
 */
export async function lookInto(backend: Backend, timeout: number): Promise<readonly BackendFinding[]> {
  try {
    return await callWithin(
      { timeout },
      async (signal) => (await backend.findings?.(signal)) ?? [],
      () => new Error('late'),
    )
  } catch {
    return []
  }
}
