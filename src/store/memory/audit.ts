import {
  type AuditEnd,
  type AuditStore,
  type NewAuditEntry,
  type StoredAuditEntry,
  TARGETS_READ,
  UNDO_KEPT,
} from '../audit-store.ts'
import type { MemoryOutbox } from './memory-outbox.ts'

/** Records that an action begins. Returns its number. */
export function beginAudit(outbox: MemoryOutbox, entry: NewAuditEntry): number {
  const id = outbox.nextAudit()
  const begun = { outcome: 'running', counts: '{}', error: null, endedAt: null } as const
  outbox.audit.set(id, { ...entry, ...begun, id, at: new Date(outbox.now()) })
  return id
}

/** Records how it ended. */
export function endAudit(outbox: MemoryOutbox, id: number, end: AuditEnd): void {
  const entry = outbox.audit.get(id)
  if (entry) outbox.audit.set(id, { ...entry, ...end, endedAt: new Date(outbox.now()) })
}

/** What operators did, in memory. */
export function memoryAudit(outbox: MemoryOutbox): AuditStore {
  const { audit } = outbox
  return {
    begin: async (entry) => beginAudit(outbox, entry),
    end: async (id, end) => endAudit(outbox, id, end),
    async list({ who, what, operation, naming, before, limit }) {
      const newest = [...audit.keys()].at(-1) ?? 0
      const matches = (entry: StoredAuditEntry): boolean =>
        (before === null || entry.id < before) &&
        (who === undefined || entry.who === who) &&
        (what === undefined || entry.what === what) &&
        (operation === undefined || entry.operation === operation) &&
        (naming === undefined || (entry.target.includes(naming) && entry.id > newest - TARGETS_READ))
      return [...audit.values()].filter(matches).reverse().slice(0, limit)
    },
    async moved(id, { after, limit }) {
      const ids = [...(outbox.undo.get(id)?.keys() ?? [])].sort()
      return ids.filter((one) => after === null || one > after).slice(0, limit)
    },
    async prune({ age, limit }) {
      const oldest = [...audit.values()].slice(0, limit)
      const old = oldest.filter(({ at }) => at.getTime() <= outbox.now() - age)
      for (const { id } of old) audit.delete(id)
      for (const id of outbox.undo.keys()) {
        const at = audit.get(id)?.at.getTime() ?? 0
        if (at <= outbox.now() - UNDO_KEPT) outbox.undo.delete(id)
      }
      return old.length
    },
  }
}
