import { BroadcasterError } from '../errors.ts'
import { suggestion } from '../foundation/suggestion.ts'

/** Throws `UNKNOWN_BACKEND` unless a backend of this name is configured. */
export function requireBackend(backend: string, names: readonly string[], field = 'backend'): void {
  if (names.includes(backend)) return
  const known = names.length === 0 ? 'there are none' : `there are ${names.join(', ')}`
  const message = `there is no backend ${backend} here${suggestion(String(backend), names) || `; ${known}`}`
  throw new BroadcasterError('UNKNOWN_BACKEND', message, { field, value: backend })
}
