import { errorText } from '../consumer/error-text.ts'
import type { DeadLetterReason } from '../consumer/subscription.ts'
import type { GroupEntry } from './group.ts'
import type { ResolvedRedisSubscriptionOptions } from './subscription-options.ts'

/** The prefix of fields that we add to an entry. */
export const REASON_FIELD = 'broadcaster_'
/** The field with the consumer that an entry was requeued for: those of other names skip it. */
export const REQUEUED_FOR_FIELD = `${REASON_FIELD}requeued_for`

/** The command that appends an entry that was given up to the dead-letter stream, its fields first. */
export function appendDeadLetter(
  { id, fields }: GroupEntry,
  { stream, deadLetter }: ResolvedRedisSubscriptionOptions,
  { consumer, error, attempts }: DeadLetterReason,
): readonly [string, ...string[]] {
  const trim = deadLetter.maxLength === undefined ? [] : ['MAXLEN', '~', String(deadLetter.maxLength)]
  return [
    'XADD',
    deadLetter.stream,
    ...trim,
    '*',
    ...(fields ?? []),
    'broadcaster_consumer',
    consumer,
    'broadcaster_error',
    errorText(error),
    'broadcaster_attempts',
    String(attempts),
    'broadcaster_stream',
    stream,
    'broadcaster_entry',
    id,
  ]
}
