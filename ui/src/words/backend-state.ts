import type { BackendJson } from '../api/types.ts'

/** How a backend is: a person's pause goes before a breaker, for it stays when the breaker closes. */
export type BackendState = 'flowing' | 'down' | 'paused' | 'slow'

/** Pure. `slow`: some of the places behind it are away. */
export function backendState({ paused, openBreakers }: Pick<BackendJson, 'paused' | 'openBreakers'>): BackendState {
  if (paused !== null) return 'paused'
  if (openBreakers.some(({ destination }) => destination === '')) return 'down'
  return openBreakers.length > 0 ? 'slow' : 'flowing'
}
