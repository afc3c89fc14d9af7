import { BroadcasterError } from '../../errors.ts'
import { requireObject } from '../../problem.ts'
import type { InsertedRow, OutboxEventColumns } from '../../record/columns.ts'
import type { MigrationStatus, Store } from '../store.ts'
import { memoryAdmin } from './admin.ts'
import { memoryCoordination } from './coordination.ts'
import { memoryInbox } from './inbox.ts'
import { MemoryOutbox } from './memory-outbox.ts'
import { FIND_DUPLICATE, INSERT, MemoryTransaction, memoryTransaction } from './memory-transaction.ts'
import { memoryRelay } from './relay.ts'
import { memoryWake } from './wake.ts'

export { MemoryTransaction, memoryTransaction } from './memory-transaction.ts'

export interface MemoryStoreOptions {
  /** Number of lanes, 1 to 1024. Default: 64. */
  readonly lanes?: number
  /** The clock of this database, in milliseconds since the epoch; tests move it. Default: `Date.now`. */
  readonly now?: () => number
  /** Another memory store whose outbox this one shares, as another process would. `lanes` and `now` are its own. */
  readonly sharedWith?: Store<MemoryTransaction>
}

const outboxes = new WeakMap<Store<MemoryTransaction>, MemoryOutbox>()

/**
 * A store that lives and ends with this process: for tests and for trying out. It keeps every promise of a store but
 * that of a disk. Needs no migration. Throws `INVALID_OPTION`.
 *
 * @example
 * const broadcaster = new Broadcaster({ store: memoryStore(), backends: { default: memoryBackend() } })
 */
export function memoryStore(options: MemoryStoreOptions = {}): Store<MemoryTransaction> {
  requireObject('memoryStore()', options)
  const { lanes = 64, now = Date.now, sharedWith } = options
  if (!Number.isInteger(lanes) || lanes < 1 || lanes > 1_024) {
    throw new BroadcasterError('INVALID_OPTION', `lanes is ${lanes}; give a whole number from 1 to 1024`, {
      field: 'lanes',
      value: lanes,
    })
  }
  const outbox = (sharedWith && outboxes.get(sharedWith)) ?? new MemoryOutbox(lanes, now)
  const status: MigrationStatus = { version: 1, latest: 1, lanes: outbox.laneCount, pending: [] }
  const store: Store<MemoryTransaction> = {
    dialect: 'memory',
    description: 'memory outbox_events',
    transactionAdapter: memoryTransaction(),
    publish: {
      insert: (rows) => ({ strings: INSERT, values: [rows] }),
      inserted: (rows) =>
        (rows as unknown as readonly InsertedRow[]).map(
          ({ id, seq, lane, createdAt, updatedAt, scheduledAt, availableAt }) => ({
            id,
            seq,
            lane,
            createdAt,
            updatedAt,
            scheduledAt,
            availableAt,
          }),
        ),
      findDuplicate: (row) => ({ strings: FIND_DUPLICATE, values: [row] }),
      found: ([row]) => row as Partial<OutboxEventColumns> | undefined,
    },
    relay: memoryRelay(outbox),
    coordination: memoryCoordination(outbox),
    admin: memoryAdmin(outbox),
    wake: memoryWake(outbox),
    inbox: memoryInbox(outbox),
    schema: {
      status: async () => status,
      migrate: async () => status,
      print: () => '-- the memory store has no schema\n',
      check: async () => status,
    },
    async transaction(work) {
      const tx = new MemoryTransaction(outbox)
      try {
        const result = await work(tx)
        if (!tx.commit()) {
          throw new BroadcasterError('TRANSACTION_ABORTED', 'the memory transaction was aborted, and is rolled back')
        }
        return result
      } finally {
        tx.rollback()
      }
    },
    async close() {},
  }
  outboxes.set(store, outbox)
  return store
}
