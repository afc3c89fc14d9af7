import { BroadcasterError } from '../../errors.ts'
import { having, integer, option } from '../../foundation/option-kinds.ts'
import { type OptionsOf, readOptions } from '../../foundation/option-table.ts'
import type { MigrationStatus, Store } from '../store.ts'
import { memoryAdmin } from './admin.ts'
import { memoryAudit } from './audit.ts'
import { memoryCoordination } from './coordination.ts'
import { memoryHistory } from './history.ts'
import { memoryInbox } from './inbox.ts'
import { MemoryOutbox } from './memory-outbox.ts'
import { MemoryTransaction, memoryTransaction } from './memory-transaction.ts'
import { memoryOperations } from './operations.ts'
import { memoryPublish } from './publish.ts'
import { memoryRetention } from './purge.ts'
import { memoryRelay } from './relay.ts'
import { memoryWake } from './wake.ts'

export { MemoryTransaction, memoryTransaction } from './memory-transaction.ts'

export const MEMORY_STORE = {
  /** The number of lanes, 1 to 1,024. Default 64. */
  lanes: integer(64, { min: 1, max: 1_024 }),
  /** The clock of this database, in milliseconds since the epoch; tests move it. Default: `Date.now`. */
  now: option<() => number>('a function that returns milliseconds', Date.now, (value) => typeof value === 'function'),
  /**
   * Another memory store whose outbox this one shares, as another process would. `lanes` and `now` are its own.
   * Default: none.
   */
  sharedWith: having<Store<MemoryTransaction>>('another memory store', 'transaction', 'close'),
}
export type MemoryStoreOptions = OptionsOf<typeof MEMORY_STORE>

const outboxes = new WeakMap<Store<MemoryTransaction>, MemoryOutbox>()

/**
 * A store that lives and ends with this process, for tests and for trying things out. It keeps every promise of a store
 * except durability. Needs no migration. Throws `INVALID_OPTION`.
 *
 * @example
 * const broadcaster = new Broadcaster({ store: memoryStore(), backends: { default: memoryBackend() } })
 */
export function memoryStore(options: MemoryStoreOptions = {}): Store<MemoryTransaction> {
  const { lanes, now, sharedWith } = readOptions('memoryStore()', MEMORY_STORE, options)
  const outbox = (sharedWith && outboxes.get(sharedWith)) ?? new MemoryOutbox(lanes, now)
  const status: MigrationStatus = { version: 1, latest: 1, lanes: outbox.laneCount, pending: [] }
  const coordination = memoryCoordination(outbox)
  const store: Store<MemoryTransaction> = {
    dialect: 'memory',
    description: 'memory outbox_events',
    transactionAdapter: memoryTransaction(),
    publish: memoryPublish,
    relay: memoryRelay(outbox),
    retention: memoryRetention(outbox),
    coordination,
    admin: memoryAdmin(outbox, coordination),
    audit: memoryAudit(outbox),
    operations: memoryOperations(outbox),
    history: memoryHistory(outbox),
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
