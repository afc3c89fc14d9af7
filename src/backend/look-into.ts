import { callWithin } from '../foundation/waiting.ts'
import type { Backend, BackendFinding } from './backend.ts'

/**
 * Asks a backend for its findings, for at most `timeout` ms, even when it does not react to its signal. Never rejects:
 * a backend that cannot be asked has none, and its health check says why.
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
