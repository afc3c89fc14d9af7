import { canonicalUuid } from '../event/uuid.ts'
import { suggestion } from '../foundation/suggestion.ts'
import type { RecordFilter } from '../record/record-source.ts'
import { STATUSES, type Status } from '../record/status.ts'
import type { CommandOptions, OptionValues } from './command-options.ts'
import { UsageError } from './exit-codes.ts'

/** The options by which commands choose events. */
export const SELECTION_OPTIONS = {
  status: { kind: 'list', value: 'status', help: `Only these: ${STATUSES.join(', ')}.` },
  type: { kind: 'text', value: 'type', help: 'Only this event type; order.* matches all that begin with order.' },
  source: { kind: 'text', value: 'source', help: 'Only events of this source.' },
  subject: { kind: 'text', value: 'subject', help: 'Only events with this subject.' },
  backend: { kind: 'text', value: 'name', help: 'Only events for this backend.' },
  key: { kind: 'text', value: 'key', help: 'Only events with this partition key.' },
  since: { kind: 'instant', value: 'when', help: 'Only events created since then: a date, or 2h, 7d.' },
  until: { kind: 'instant', value: 'when', help: 'Only events created before then.' },
} as const satisfies CommandOptions

/** The filter that those options mean. */
export function selectionFilter(options: OptionValues<typeof SELECTION_OPTIONS>): RecordFilter {
  const { status, type, source, subject, backend, key, since, until } = options
  return {
    ...(status.length > 0 && { status: status.map(asStatus) }),
    ...(type !== undefined && { eventType: type.endsWith('*') ? { startsWith: type.slice(0, -1) } : type }),
    ...(source !== undefined && { source }),
    ...(subject !== undefined && { subject }),
    ...(backend !== undefined && { publisherBackend: backend }),
    ...(key !== undefined && { partitionKey: key }),
    ...((since ?? until) && {
      createdAt: { ...(since && { gte: since }), ...(until && { lt: until }) },
    }),
  }
}

/**
 * A note when the backend asked for is not configured and no event of it was found; empty otherwise. No refusal: events
 * of a backend that was removed stay in the table.
 */
export function unknownBackend(asked: string | undefined, backends: readonly string[]): string {
  if (asked === undefined || backends.includes(asked)) return ''
  const known = backends.length === 0 ? '' : `; there are ${backends.join(', ')}`
  return `No backend ${asked} is configured here${suggestion(asked, backends) || known}`
}

function asStatus(text: string): Status {
  const found = STATUSES.find((status) => status === text.toLowerCase())
  if (found !== undefined) return found
  throw new UsageError(
    `--status ${text} is not a status${suggestion(text, STATUSES) || `; there are ${STATUSES.join(', ')}`}`,
  )
}

/** The id of an event as the outbox writes it. */
export function eventId(text: string): string {
  const id = canonicalUuid(text)
  if (id !== undefined) return id
  throw new UsageError(`"${text}" is not the id of an event, which is a UUID: broadcaster list shows it`)
}
