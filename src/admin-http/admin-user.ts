import type { Role } from './api-types.ts'

/** The roles, each with all rights of those before it. */
export const ROLES = ['viewer', 'operator', 'admin'] as const satisfies readonly Role[]

/** Somebody who may look at the outbox, or more. */
export interface AdminUser {
  /** What the audit calls them: a name, at most 100 characters. */
  readonly user: string
  /** What they may do. */
  readonly role: Role
}

/** What a user wants to do. */
export type AdminAction =
  | 'read'
  /** To see the data of an event. */
  | 'read-data'
  | 'requeue'
  | 'replay'
  | 'skip'
  | 'cancel'
  | 'reschedule'
  | 'correct'
  | 'delete'
  | 'pause'
  | 'resume'
  | 'close-breaker'
  | 'test-event'
  | 'operate'
  | 'requeue-dead-letter'
  /** To undo a requeue, a cancel or a pause. */
  | 'undo'

/** Who may do what, at least. */
export const LEAST_ROLE: Readonly<Record<AdminAction, Role>> = {
  read: 'viewer',
  'read-data': 'viewer',
  requeue: 'operator',
  replay: 'operator',
  skip: 'operator',
  cancel: 'operator',
  reschedule: 'operator',
  correct: 'operator',
  pause: 'operator',
  resume: 'operator',
  'close-breaker': 'operator',
  'test-event': 'operator',
  operate: 'operator',
  'requeue-dead-letter': 'operator',
  undo: 'operator',
  delete: 'admin',
}

/** Whether the role has the right to an action. */
export function hasRole(role: Role, action: AdminAction): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(LEAST_ROLE[action])
}

/** Whether a value from outside names somebody with a role. */
export function isAdminUser(value: unknown): value is AdminUser {
  if (typeof value !== 'object' || value === null) return false
  const { user, role } = value as { readonly user?: unknown; readonly role?: unknown }
  return (
    typeof user === 'string' &&
    user !== '' &&
    user.length <= 100 &&
    !/\p{Cc}/u.test(user) &&
    (ROLES as readonly unknown[]).includes(role)
  )
}
