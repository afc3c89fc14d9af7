import type { AuditEntry } from '../admin/audit-log.ts'
import { UNDOABLE } from '../admin/undo-action.ts'
import type { AdminAction } from './admin-user.ts'
import { ApiError } from './api-problem.ts'
import type { AuditAnswer, AuditRow, UndoAnswer } from './api-types.ts'
import { reasonOf } from './backend-routes.ts'
import type { ApiRoute, Call } from './call.ts'
import { cursorOf, placeOf, readCursor } from './filter-of-call.ts'

const KIND = 'audit'
const PAGE = 50
const UNDO = 'undo'
/** How long one call undoes, and waits for workers, in milliseconds. */
const TIME = 5_000
const PATIENCE = 3_000

/** What comes of an undo is what this does: who may not do it must not come by it in this way. */
const COMES_TO: Readonly<Record<string, AdminAction>> = { pause: 'resume', cancel: 'requeue' }

/** What people did. */
export const AUDIT_ROUTES: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: 'audit',
    action: 'read',
    summary: 'What people did, the newest first.',
    query: { who: 'Only of this user.', what: 'Only this action.', after: 'A cursor: next of an answer.' },
    answer: 'AuditAnswer',
    feature: 'audit',
    run: listAudit,
  },
  {
    method: 'POST',
    path: 'audit/{number}/undo',
    action: 'undo',
    summary: 'Undoes a requeue, a cancel or a pause, as far as nothing has become of it.',
    body: { type: 'UndoBody', members: ['after', 'reason'] },
    answer: 'UndoAnswer',
    feature: 'audit',
    run: undo,
  },
]

async function listAudit(call: Call): Promise<AuditAnswer> {
  const { who, what } = call.query
  const after = placeOf(call, KIND)?.id
  const named = { ...(who ? { who } : {}), ...(what ? { what } : {}), ...(after ? { after: Number(after) } : {}) }
  const found = await call.outbox.admin.audit({ ...named, limit: PAGE + 1 })
  const page = found.slice(0, PAGE)
  const last = found.length > PAGE ? page.at(-1) : undefined
  return {
    audit: page.map((entry) => auditRow(call, entry)),
    next: last === undefined ? null : cursorOf(call, KIND, { id: String(last.id), back: false }),
  }
}

async function undo(call: Call): Promise<UndoAnswer> {
  const { outbox, params, body, visitor } = call
  const number = params['number'] ?? ''
  if (!/^\d{1,15}$/.test(number)) {
    throw new ApiError('NOT_FOUND', 'There is no entry of this number in the audit.', { field: 'number' })
  }
  const [entry] = await outbox.admin.audit({ after: Number(number) + 1, limit: 1 })
  const also = entry?.id === Number(number) ? COMES_TO[entry.what] : undefined
  if (also !== undefined && !(await call.may(also))) {
    throw new ApiError('FORBIDDEN', `You may not ${also}, and that is what it would come to.`, { field: 'number' })
  }
  const after = readCursor(call, `${UNDO} ${number}`, body['after'])?.id
  const { undone, tooLate, unknown, next } = await outbox.admin.undo(Number(number), {
    ...{ by: visitor?.user, reason: reasonOf(body['reason']), after, time: TIME, patience: PATIENCE },
  })
  const goOn = next === null ? null : cursorOf(call, `${UNDO} ${number}`, { id: next, back: false })
  return { undone, tooLate, unknown, goOn }
}

/** An entry as the user may see it. */
export function auditRow(call: Call, entry: AuditEntry): AuditRow {
  const { id, at, who, what, target, reason, counts, outcome, operation } = entry
  // A filter of the command may name a key.
  const hide = (name: string, value: unknown): unknown => {
    if (name === 'filter' && typeof value === 'string') return call.desk.view.filter(value, call.outbox.feed.now())
    return name === 'partitionKey' && !call.desk.settings.showKeys ? '***' : value
  }
  return {
    id: String(id),
    at: at.toISOString(),
    who,
    what,
    target: JSON.stringify(target, hide),
    reason: reason === '' ? null : reason,
    moved: counts.moved ?? 0,
    outcome,
    operation,
    undoable: UNDOABLE.includes(what) && (counts.moved ?? 0) > 0,
  }
}
