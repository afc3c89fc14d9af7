import type { BackendActionAnswer } from './api-operations.ts'
import { ApiError } from './api-problem.ts'
import type { ApiRoute } from './call.ts'

const BODY = { type: 'BackendActionBody', members: ['reason'] }

/** In characters. */
const LONGEST_REASON = 500

/** What is done to a backend. */
export const BACKEND_ROUTES: readonly ApiRoute[] = [
  {
    method: 'POST',
    path: 'backends/{name}/close-breaker',
    action: 'close-breaker',
    summary:
      'Closes breakers that stay open although the destination works; events of a backend are tried at once, those of a destination within two minutes.',
    body: { ...BODY, members: [...BODY.members, 'destination'] },
    answer: 'BackendActionAnswer',
    async run({ outbox, params, body, visitor }): Promise<BackendActionAnswer> {
      const { destination } = body
      if (destination !== undefined && typeof destination !== 'string') {
        throw new ApiError('BAD_REQUEST', 'destination is not a string.', { field: 'destination' })
      }
      const name = params['name'] ?? ''
      const { backends } = await outbox.feed.read()
      if (!backends.some(({ backend }) => backend === name)) {
        throw new ApiError('NOT_FOUND', 'There is no backend of this name.', { field: 'name' })
      }
      const closed = await outbox.admin.closeBreaker(name, destination, {
        by: visitor?.user,
        reason: reasonOf(body['reason']),
      })
      return { done: closed > 0, closed }
    },
  },
  ...(['pause', 'resume'] as const).map(
    (name): ApiRoute => ({
      method: 'POST',
      path: `backends/{name}/${name}`,
      action: name,
      summary: name === 'pause' ? 'Sends nothing more to a backend, in all workers.' : 'Sends to a backend again.',
      body: BODY,
      answer: 'BackendActionAnswer',
      feature: 'pause',
      async run({ outbox, params, body, visitor }): Promise<BackendActionAnswer> {
        const reason = reasonOf(body['reason'])
        const done = await outbox.admin[name](params['name'] ?? '', { by: visitor?.user, reason })
        return { done }
      },
    }),
  ),
  {
    method: 'POST',
    path: 'backends/{name}/test-event',
    action: 'test-event',
    summary: 'Publishes a test event to a backend.',
    body: BODY,
    answer: 'BackendActionAnswer',
    feature: 'testEvent',
    async run({ outbox, params, body, visitor }): Promise<BackendActionAnswer> {
      const reason = reasonOf(body['reason'])
      const eventId = await outbox.admin.testEvent(params['name'] ?? '', { by: visitor?.user, reason })
      return { done: true, eventId }
    },
  },
]

/** Why somebody acts. Throws `ApiError`. */
export function reasonOf(given: unknown): string | undefined {
  if (given === undefined || (typeof given === 'string' && given.length <= LONGEST_REASON)) return given
  const message = `reason is not a text of at most ${LONGEST_REASON} characters.`
  throw new ApiError('BAD_REQUEST', message, { field: 'reason' })
}
