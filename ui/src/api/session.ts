import { signal } from '@preact/signals'
import type { FeatureName, Role, Session } from './types.ts'

/** Who is signed in, and what the server has; undefined = not known yet. */
export const session = signal<Session | undefined>(undefined)

/** Whether somebody must sign in first. */
export const isLoggedOut = signal(false)

export function loggedOut(): void {
  isLoggedOut.value = true
}

const RANK: readonly Role[] = ['viewer', 'operator', 'admin']

/** Whether the one who is signed in may do what needs `role`. */
export function may(role: Role): boolean {
  const own = session.value?.role ?? null
  return own !== null && RANK.indexOf(own) >= RANK.indexOf(role)
}

/** Whether the server has it; what it does not know of is not there. */
export const has = (feature: FeatureName): boolean => session.value?.features[feature] === true
