import { CHANGES, type EventCorrection } from '../admin/corrections.ts'
import { isBase64 } from '../event/base64.ts'
import { canonicalUuid } from '../event/uuid.ts'
import type { CorrectAnswer } from './api-events.ts'
import { ApiError } from './api-problem.ts'
import { reasonOf } from './backend-routes.ts'
import type { ApiRoute, Call } from './call.ts'

/** How long it waits for a worker that has the event in hand, in milliseconds; a call must not take longer. */
const PATIENCE = 3_000

/** A corrected event in the place of another. */
export const CORRECT_ROUTE: ApiRoute = {
  method: 'POST',
  path: 'events/{id}/correct',
  action: 'correct',
  summary: 'Puts a corrected event in the place of one that was not delivered, which is cancelled.',
  body: { type: 'CorrectBody', members: [...CHANGES, 'dataBase64', 'reason'] },
  answer: 'CorrectAnswer',
  run: correct,
}

async function correct({ outbox, params, body, visitor }: Call): Promise<CorrectAnswer> {
  const { reason, dataBase64, ...given } = body
  const why = reasonOf(reason)
  const id = canonicalUuid(params['id'] ?? '')
  if (id === undefined) throw new ApiError('NOT_FOUND', 'There is no event of this id.', { field: 'id' })
  const changes = { ...given, ...(dataBase64 !== undefined && { data: bytesOf(dataBase64, given) }) }
  const { admin } = outbox
  // What is of the wrong kind is refused there, by its name.
  const event = await admin.correct(id, changes as EventCorrection, {
    ...{ by: visitor?.user, reason: why, patience: PATIENCE },
  })
  return { id: event.id, corrects: id }
}

function bytesOf(text: unknown, beside: object): Uint8Array {
  const wrong = (message: string): ApiError => new ApiError('BAD_REQUEST', message, { field: 'dataBase64' })
  if ('data' in beside) throw wrong('dataBase64 stands beside data; an event has one of them.')
  if (typeof text !== 'string' || !isBase64(text)) throw wrong('dataBase64 is not Base64 (RFC 4648, with padding).')
  return Buffer.from(text, 'base64')
}
