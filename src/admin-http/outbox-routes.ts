import type { BackendRow, ConsumerRow, DeadLettersAnswer } from './api-operations.ts'
import { ApiError } from './api-problem.ts'
import type { BackendsAnswer, ConsumersAnswer, FindingsAnswer } from './api-types.ts'
import type { ApiRoute, Call } from './call.ts'
import { cursorOf, placeOf, wholeNumber } from './filter-of-call.ts'
import { liveAnswer } from './live.ts'

const PAGE = 50

export const OUTBOX_ROUTES: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: 'status',
    action: 'read',
    summary: 'The state of the outbox, at most a second old.',
    answer: 'StatusAnswer',
    run: ({ outbox }) => outbox.feed.read(),
  },
  {
    method: 'GET',
    path: 'live',
    action: 'read',
    summary: 'Server-sent events: `status` with each change of the status, `trouble` when it cannot be read.',
    answer: null,
    run: ({ outbox, request, desk, visitor }) =>
      liveAnswer(outbox.feed, request.signal, async () => visitor === null || desk.authentication.isStillIn(visitor)),
  },
  {
    method: 'GET',
    path: 'backends',
    action: 'read',
    summary: 'The backends: their numbers, and whether events can go there.',
    answer: 'BackendsAnswer',
    run: listBackends,
  },
  {
    method: 'GET',
    path: 'findings',
    action: 'read',
    summary: 'What a person should know, the same as `broadcaster doctor` prints, at most a minute old.',
    query: { again: 'yes = at most five seconds old. Default: no.' },
    answer: 'FindingsAnswer',
    run: ({ outbox, query }): Promise<FindingsAnswer> => outbox.findings.read(query['again'] === 'yes'),
  },
  {
    method: 'GET',
    path: 'consumers',
    action: 'read',
    summary: 'The consumers that this service knows.',
    answer: 'ConsumersAnswer',
    run: ({ outbox }): ConsumersAnswer => ({
      consumers: outbox.admin.consumers().map((one): ConsumerRow => ({ ...one })),
    }),
  },
  {
    method: 'GET',
    path: 'consumers/{name}/dead-letters',
    action: 'read',
    summary: 'What a consumer gave up on, the oldest first.',
    query: { limit: 'At most this many, 1 to 200. Default: 50.', after: 'A cursor: next of an answer.' },
    answer: 'DeadLettersAnswer',
    run: listDeadLetters,
  },
  {
    method: 'POST',
    path: 'consumers/{name}/requeue',
    action: 'requeue-dead-letter',
    summary: 'Hands dead letters to their consumer again.',
    body: { type: 'DeadLetterBody', members: ['ids'] },
    answer: 'DeadLetterResult',
    run: requeueDeadLetters,
  },
]

async function listBackends({ outbox }: Call): Promise<BackendsAnswer> {
  const { backends, at } = await outbox.feed.read()
  return {
    at,
    backends: backends.map(
      ({ backend, description, configured, openBreakers, paused, ...counts }): BackendRow => ({
        name: backend,
        description,
        configured,
        breaker: openBreakers.find(({ destination }) => destination === '') ?? null,
        destinations: openBreakers.filter(({ destination }) => destination !== ''),
        paused,
        counts,
      }),
    ),
  }
}

async function listDeadLetters(call: Call): Promise<DeadLettersAnswer> {
  const limit = wholeNumber(call, 'limit', PAGE, 200)
  const name = call.params['name'] ?? ''
  const place = call.outbox.admin.deadLetters(name)
  try {
    const kind = `dead letters of ${name}`
    const found = await place.list({ limit: limit + 1, after: placeOf(call, kind)?.id })
    const letters = found.slice(0, limit)
    const last = found.length > limit ? letters.at(-1) : undefined
    return {
      letters: letters.map(({ id, error, attempts, position, event, problem, body }) => ({
        id,
        error,
        attempts,
        position,
        type: textOf(event?.attributes['type']),
        source: textOf(event?.attributes['source']),
        eventId: textOf(event?.attributes['id']),
        problem: problem === undefined ? null : String(problem).slice(0, 500),
        size: body.byteLength,
      })),
      next: last === undefined ? null : cursorOf(call, kind, { id: last.id, back: false }),
    }
  } finally {
    await place.close()
  }
}

async function requeueDeadLetters({ outbox, params, body, visitor }: Call) {
  const { ids } = body
  if (!Array.isArray(ids) || ids.length === 0 || ids.length > 100 || !ids.every((id) => typeof id === 'string')) {
    throw new ApiError('BAD_REQUEST', 'ids is not a list of 1 to 100 ids of dead letters.', { field: 'ids' })
  }
  const place = outbox.admin.deadLetters(params['name'] ?? '')
  try {
    const results: { id: string; requeued: boolean }[] = []
    for (const id of ids as readonly string[])
      results.push({ id, requeued: await place.requeue(id, undefined, { by: visitor?.user }) })
    return { results }
  } finally {
    await place.close()
  }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
