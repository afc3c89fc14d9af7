import type { FlowRange } from '../admin/flow.ts'
import type { FlowAnswer, OutageJson, OutagesAnswer } from './api-history.ts'
import { ApiError } from './api-problem.ts'
import type { ApiRoute, Call } from './call.ts'
import { cursorOf, placeOf } from './filter-of-call.ts'

const KIND = 'outages'
const PAGE = 50
const RANGES: readonly string[] = ['1h', '24h', '7d'] satisfies readonly FlowRange[]

/** What happened: rates, times to delivery, outages. */
export const HISTORY_ROUTES: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: 'flow',
    action: 'read',
    summary:
      'Events stored, delivered, retried and failed over time, and how long deliveries took, as workers wrote it down.',
    query: { range: '1h, 24h or 7d. Default: 1h.', backend: 'Only what was done for this backend.' },
    answer: 'FlowAnswer',
    feature: 'rates',
    run: flow,
  },
  {
    method: 'GET',
    path: 'outages',
    action: 'read',
    summary: 'When breakers opened, were half open and closed, the newest outage first.',
    query: { backend: 'Only those of this backend.', after: 'A cursor: next of an answer.' },
    answer: 'OutagesAnswer',
    feature: 'history',
    run: outages,
  },
]

async function flow({ outbox, query }: Call): Promise<FlowAnswer> {
  const { range = '1h', backend } = query
  if (!RANGES.includes(range)) throw new ApiError('BAD_REQUEST', 'range is not 1h, 24h or 7d.', { field: 'range' })
  const { at, seconds, points, lately } = await outbox.admin.flow({
    range: range as FlowRange,
    ...(backend && { backend }),
  })
  return {
    at: at.toISOString(),
    seconds,
    points: points.map((point) => ({ ...point, at: point.at.toISOString() })),
    lately,
  }
}

async function outages(call: Call): Promise<OutagesAnswer> {
  const { backend } = call.query
  const after = placeOf(call, KIND)?.id
  const found = await call.outbox.admin.outages({
    limit: PAGE + 1,
    ...(backend && { backend }),
    ...(after && { before: Number(after) }),
  })
  const page = found.slice(0, PAGE)
  const last = found.length > PAGE ? page.at(-1) : undefined
  return {
    outages: page.map(
      ({ openedAt, probedAt, closedAt, ...rest }): OutageJson => ({
        ...rest,
        openedAt: openedAt.toISOString(),
        probedAt: probedAt?.toISOString() ?? null,
        closedAt: closedAt?.toISOString() ?? null,
      }),
    ),
    next: last === undefined ? null : cursorOf(call, KIND, { id: String(last.id), back: false }),
  }
}
