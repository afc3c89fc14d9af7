import type { OperationMove } from '../admin-store.ts'
import {
  auditOutcomeOf,
  type OperationState,
  type OperationStep,
  type OperationStore,
  type StoredOperation,
} from '../operation-store.ts'
import { beginAudit, endAudit } from './audit.ts'
import type { MemoryOutbox } from './memory-outbox.ts'

/** A stored operation, and who works on it. */
export type MemoryOperation = { -readonly [Name in keyof StoredOperation]: StoredOperation[Name] } & {
  owner: string | null
  leaseUntil: number
  nextAt: number
}

/** Records a step of an operation. */
export function advance(outbox: MemoryOutbox, id: number, owner: string, step: OperationStep): boolean {
  const found = outbox.operations[id - 1]
  if (found?.owner !== owner || found.state !== 'running') return false
  const { moved, leftAlone, position, pause, lease } = step
  const nextAt = outbox.now() + pause
  Object.assign(found, { nextAt, leaseUntil: nextAt + lease, position: position ?? found.position })
  found.moved += moved
  found.leftAlone += leftAlone
  return true
}

/** False: it is no longer its owner's, not running, or not where the step begins. */
export function isStepDue(outbox: MemoryOutbox, { id, owner, after }: OperationMove): boolean {
  const found = outbox.operations[id - 1]
  return found?.owner === owner && found.state === 'running' && found.position === after
}

/** Background operations, in memory. */
export function memoryOperations(outbox: MemoryOutbox): OperationStore {
  const { operations } = outbox
  const shown = ({ owner: _, leaseUntil: _lease, nextAt: _next, ...stored }: MemoryOperation): StoredOperation => stored
  return {
    async add(operation, entry) {
      const id = operations.length + 1
      const begun = {
        state: 'running',
        beganAt: new Date(outbox.now()),
        endedAt: null,
        moved: 0,
        leftAlone: 0,
      } as const
      const nobody = { position: null, error: null, owner: null, leaseUntil: 0, nextAt: 0 }
      const audit = beginAudit(outbox, { ...entry, operation: id })
      operations.push({ ...operation, ...begun, ...nobody, id, audit })
      return id
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
    async advance(id, owner, step) {
      return advance(outbox, id, owner, step)
    },
    async change(id, from, to, given) {
      const error = given ?? null
      const found = operations[id - 1]
      if (!found || !from.includes(found.state)) return false
      const outcome = auditOutcomeOf(to)
      const endedAt = outcome === undefined ? null : new Date(outbox.now())
      Object.assign(found, { state: to satisfies OperationState, error, owner: null, endedAt })
      const { audit, moved, leftAlone } = found
      if (outcome !== undefined && audit !== null) {
        endAudit(outbox, audit, { outcome, counts: JSON.stringify({ moved, leftAlone }), error })
      }
      return true
    },
  }
}
