import type { Operation } from '../admin/background-operations.ts'
import { OPERATION_KINDS, type OperationKind } from '../admin/background-operations.ts'
import { compiledFilter } from '../admin/compiled-filter.ts'
import { readTo } from './action-routes.ts'
import type { OperationRow } from './api-operations.ts'
import { ApiError } from './api-problem.ts'
import type { OperationsAnswer } from './api-types.ts'
import { reasonOf } from './backend-routes.ts'
import type { ApiRoute, Call } from './call.ts'
import { cursorOf, filterOf, placeOf } from './filter-of-call.ts'
import { operationRow } from './operation-row.ts'

const KIND = 'operations'
const PAGE = 50

/** What is done in the background to all events that match. */
export const OPERATION_ROUTES: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: 'operations',
    action: 'read',
    summary: 'Operations on many events, the newest first.',
    query: { after: 'A cursor: next of an answer.' },
    answer: 'OperationsAnswer',
    feature: 'operations',
    run: listOperations,
  },
  {
    method: 'POST',
    path: 'operations',
    action: 'operate',
    summary: 'Starts an operation on all events that match a filter; workers carry it out.',
    body: { type: 'OperationBody', members: ['do', 'q', 'rate', 'at', 'to', 'reason'] },
    answer: 'OperationRow',
    feature: 'operations',
    run: startOperation,
  },
  {
    method: 'GET',
    path: 'operations/{number}',
    action: 'read',
    summary: 'One operation.',
    answer: 'OperationRow',
    feature: 'operations',
    run: async (call) => rowOf(call, await operationOf(call)),
  },
  ...(['pause', 'resume', 'cancel'] as const).map(
    (name): ApiRoute => ({
      method: 'POST',
      path: `operations/{number}/${name}`,
      action: 'operate',
      summary: `To ${name} an operation.`,
      body: { type: 'BackendActionBody', members: ['reason'] },
      answer: 'OperationRow',
      feature: 'operations',
      async run(call) {
        const { id } = await operationOf(call)
        const reason = reasonOf(call.body['reason'])
        await call.outbox.admin.operations[name](id, { by: call.visitor?.user, reason })
        return rowOf(call, await operationOf(call))
      },
    }),
  ),
]

async function listOperations(call: Call): Promise<OperationsAnswer> {
  const after = placeOf(call, KIND)?.id
  const { operations } = call.outbox.admin
  const found = await operations.list({ ...(after !== undefined && { after: Number(after) }), limit: PAGE + 1 })
  const page = found.slice(0, PAGE)
  const last = found.length > PAGE ? page.at(-1) : undefined
  return {
    operations: page.map((one) => rowOf(call, one)),
    next: last === undefined ? null : cursorOf(call, KIND, { id: String(last.id), back: false }),
  }
}

async function startOperation(call: Call): Promise<OperationRow> {
  const { do: kind, q, rate, at, to, reason } = call.body
  const wrong = (field: string, message: string): ApiError => new ApiError('BAD_REQUEST', message, { field })
  if (!isKind(kind)) throw wrong('do', `do is not one of ${OPERATION_KINDS.join(', ')}.`)
  if (!(await call.may(kind))) throw new ApiError('FORBIDDEN', `You may not ${kind} events.`, { field: 'do' })
  if (typeof q !== 'string') throw wrong('q', 'q is not a string; give a filter.')
  const text = call.desk.filters.read(q)
  if (text.trim() === '') throw wrong('q', 'The filter is empty and so means every event; say which.')
  const { where, tests } = await filterOf(call, q)
  if (tests.length > 0) {
    const message = 'An operation works by what the database compares, and not by data or texts: leave them out.'
    throw new ApiError('INVALID_FILTER', message, { field: 'q' })
  }
  if (rate !== undefined && !(typeof rate === 'number' && rate > 0 && rate <= 1_000_000)) {
    throw wrong('rate', 'rate is not a number of events a second, more than 0 and at most 1,000,000.')
  }
  const when = typeof at === 'string' ? new Date(at) : undefined
  if (kind === 'reschedule' && (when === undefined || Number.isNaN(when.getTime()))) {
    throw wrong('at', 'at is not a time; give one such as 2026-01-31T12:00:00Z.')
  }
  const backend = readTo(kind, to)
  const operation = await call.outbox.admin.operations.start({
    ...{ do: kind, filter: compiledFilter(where), text, by: call.visitor?.user, reason: reasonOf(reason) },
    ...(rate !== undefined && { rate }),
    ...(backend !== undefined && { to: backend }),
    ...(kind === 'reschedule' && { at: when }),
  })
  return rowOf(call, operation)
}

function isKind(value: unknown): value is OperationKind {
  return (OPERATION_KINDS as readonly unknown[]).includes(value)
}

async function operationOf({ outbox, params }: Call): Promise<Operation> {
  const number = params['number'] ?? ''
  const found = /^\d{1,15}$/.test(number) ? await outbox.admin.operations.find(Number(number)) : undefined
  if (found === undefined) throw new ApiError('NOT_FOUND', 'There is no operation of this number.', { field: 'number' })
  return found
}

function rowOf({ desk, outbox }: Call, operation: Operation): OperationRow {
  return operationRow(operation, desk.view, outbox.feed.now())
}
