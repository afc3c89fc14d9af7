import type { InboxPage } from '../admin/list-inbox.ts'
import { ApiError } from './api-problem.ts'
import type { InboxAnswer } from './api-types.ts'
import type { ApiRoute, Call } from './call.ts'
import { cursorOf, placeOf } from './filter-of-call.ts'

type InboxPlace = NonNullable<InboxPage['next']>

const PAGE = 50
const KIND = 'inbox'

export const INBOX_ROUTES: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: 'inbox',
    action: 'read',
    summary: 'What consumers handled, the newest first.',
    query: { after: 'A cursor: next of an answer.' },
    answer: 'InboxAnswer',
    feature: 'inbox',
    run: listInbox,
  },
]

async function listInbox(call: Call): Promise<InboxAnswer> {
  const { entries, next } = await call.outbox.admin.inbox({ limit: PAGE, after: inboxPlaceOf(call) })
  return {
    inbox: entries.map(({ consumer, source, eventId, handledAt }) => {
      return { consumer, source, eventId, handledAt: handledAt.toISOString() }
    }),
    next: next && cursorOf(call, KIND, { id: textOf(next), back: false }),
  }
}

function textOf({ at, consumer, source, eventId }: InboxPlace): string {
  return JSON.stringify([at, consumer, source, eventId])
}

/** Undefined without a cursor. Throws `ApiError` `INVALID_CURSOR`. */
function inboxPlaceOf(call: Call): InboxPlace | undefined {
  const place = placeOf(call, KIND)
  if (place === undefined) return undefined
  const [at, consumer, source, eventId] = JSON.parse(place.id) as readonly (string | undefined)[]
  if (at !== undefined && consumer !== undefined && source !== undefined && eventId !== undefined)
    return { at, consumer, source, eventId }
  throw new ApiError('INVALID_CURSOR', 'after is not a cursor of this list; begin without it.', { field: 'after' })
}
