import type { Status } from '../record/status.ts'

/** In which statuses an event can be changed by each move of an operator. */
export const MOVABLE = {
  requeue: ['failed', 'cancelled', 'retry'],
  replay: ['published'],
  skip: ['failed'],
  reschedule: ['pending', 'retry', 'processing'],
  cancel: ['pending', 'retry', 'processing', 'failed'],
} as const satisfies Record<string, readonly Status[]>
