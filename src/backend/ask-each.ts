import type { Backend } from './backend.ts'

/** Asks all backends at the same time; resolves with the answers by name. `ask` should not reject. */
export async function askEach<Answer>(
  backends: ReadonlyMap<string, Backend>,
  ask: (backend: Backend) => Promise<Answer>,
): Promise<Readonly<Record<string, Answer>>> {
  const asked = Array.from(backends, async ([name, backend]) => [name, await ask(backend)] as const)
  return Object.fromEntries(await Promise.all(asked))
}
