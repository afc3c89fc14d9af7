import { BroadcasterError } from '../errors.ts'

/**
 * The delivery states of an outbox event. The first five are Django Broadcaster's; `cancelled` is ours. `processing`
 * marks only an event whose send was recorded before it started (see `docs/architecture.md`, "crash suspicion"), and
 * rows that a Django worker left behind.
 */
export const STATUSES = ['pending', 'processing', 'published', 'failed', 'retry', 'cancelled'] as const

/** Where an outbox event is in its life. */
export type Status = (typeof STATUSES)[number]

/** The states of an event that is still to be delivered. */
export const UNSETTLED: readonly Status[] = ['pending', 'retry', 'processing']

const DISPLAY: Readonly<Record<Status, string>> = {
  pending: 'Pending',
  processing: 'Processing',
  published: 'Published',
  failed: 'Failed',
  retry: 'Retry',
  cancelled: 'Cancelled',
}

const MOVES: Readonly<Record<Status, readonly Status[]>> = {
  pending: ['processing', 'published', 'failed', 'retry', 'cancelled'],
  processing: ['pending', 'published', 'failed', 'retry', 'cancelled'],
  retry: ['pending', 'processing', 'published', 'failed', 'retry', 'cancelled'],
  failed: ['pending', 'published', 'cancelled'],
  published: ['pending'],
  cancelled: ['pending', 'published'],
}

/** The name of a status for people, such as `Pending`. */
export function displayStatus(status: Status): string {
  return DISPLAY[status]
}

export function isStatus(value: unknown): value is Status {
  return typeof value === 'string' && Object.hasOwn(DISPLAY, value)
}

/** Whether a move is legal: `failed -> pending` is a requeue, `published -> pending` a replay. */
export function canMove(from: Status, to: Status): boolean {
  return MOVES[from].includes(to)
}

/** Throws `ILLEGAL_STATUS_MOVE` unless the move is legal. */
export function assertMove(from: Status, to: Status): void {
  if (canMove(from, to)) return
  throw new BroadcasterError(
    'ILLEGAL_STATUS_MOVE',
    `an outbox event that is ${from} cannot become ${to}; from ${from} it can become ${MOVES[from].join(', ')}`,
    { field: 'status', value: to },
  )
}
