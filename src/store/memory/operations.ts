import type { OperationState, OperationStore, StoredOperation } from '../operation-store.ts'
import type { MemoryOutbox } from './memory-outbox.ts'

/** A stored operation, and who works on it. */
export type MemoryOperation = { -readonly [Name in keyof StoredOperation]: StoredOperation[Name] } & {
  owner: string | null
  leaseUntil: number
  nextAt: number
}

/** Operations in the background, in memory. */
export function memoryOperations(outbox: MemoryOutbox): OperationStore {
  const { operations } = outbox
  const shown = ({ owner: _, leaseUntil: _lease, nextAt: _next, ...stored }: MemoryOperation): StoredOperation => stored
  return {
    async add(operation) {
      const id = operations.length + 1
      const begun = {
        state: 'running',
        beganAt: new Date(outbox.now()),
        endedAt: null,
        moved: 0,
        leftAlone: 0,
      } as const
      const nobody = { position: null, audit: null, error: null, owner: null, leaseUntil: 0, nextAt: 0 }
      operations.push({ ...operation, ...begun, ...nobody, id })
      return id
    },
    async tie(id, audit) {
      const operation = operations[id - 1]
      if (operation) operation.audit = audit
    },
    async list({ id, before, limit }) {
      return operations
        .filter((one) => (id === undefined || one.id === id) && (before === null || one.id < before))
        .toReversed()
        .slice(0, limit)
        .map(shown)
    },
    async take(owner, lease) {
      const now = outbox.now()
      const isFree = (one: MemoryOperation): boolean =>
        one.owner === null || one.owner === owner || one.leaseUntil <= now
      const found = operations.find((one) => one.state === 'running' && isFree(one) && one.nextAt <= now)
      if (found === undefined) return undefined
      Object.assign(found, { owner, leaseUntil: now + lease })
      return shown(found)
    },
    async advance(id, owner, { leftAlone, position, pause, lease }) {
      const found = operations[id - 1]
      if (found?.owner !== owner || found.state !== 'running') return false
      const nextAt = outbox.now() + pause
      Object.assign(found, { nextAt, leaseUntil: nextAt + lease, position: position ?? found.position })
      found.leftAlone += leftAlone
      return true
    },
    async change(id, from, to, error) {
      const found = operations[id - 1]
      if (!found || !from.includes(found.state)) return false
      const hasEnded = to !== 'running' && to !== 'paused'
      const endedAt = hasEnded ? new Date(outbox.now()) : null
      Object.assign(found, { state: to satisfies OperationState, error: error ?? null, owner: null, endedAt })
      return true
    },
  }
}
