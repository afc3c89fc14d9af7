import type { AuditEntry } from '../admin/audit-log.ts'
import type { AuditAnswer, AuditRow } from './api-types.ts'
import type { ApiRoute, Call } from './call.ts'
import { cursorOf, placeOf } from './filter-of-call.ts'

const KIND = 'audit'
const PAGE = 50

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
  }
}
