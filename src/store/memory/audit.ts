import { type AuditStore, type StoredAuditEntry, TARGETS_READ } from '../audit-store.ts'
import type { MemoryOutbox } from './memory-outbox.ts'

/** What operators did, in memory. */
export function memoryAudit(outbox: MemoryOutbox): AuditStore {
  const { audit } = outbox
  return {
    async begin(entry) {
      const id = outbox.nextAudit()
      const begun = { outcome: 'running', counts: '{}', error: null, endedAt: null } as const
      audit.set(id, { ...entry, ...begun, id, at: new Date(outbox.now()) })
      return id
    },
    async end(id, end) {
      const entry = audit.get(id)
      if (entry) audit.set(id, { ...entry, ...end, endedAt: new Date(outbox.now()) })
    },
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
    async prune({ age, limit }) {
      const oldest = [...audit.values()].slice(0, limit)
      const old = oldest.filter(({ at }) => at.getTime() <= outbox.now() - age)
      for (const { id } of old) audit.delete(id)
      return old.length
    },
  }
}
