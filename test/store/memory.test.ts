import { test } from 'node:test'
import { type MemoryTransaction, memoryStore } from '../../src/store/memory/memory.ts'
import { runConformance } from '../../src/testing/conformance.ts'
import { storeConformance } from '../../src/testing/store-conformance.ts'

runConformance(
  { test, skip: (name, reason) => test(name, { skip: reason }, () => {}) },
  storeConformance,
  async () => {
    let behind = 0
    const store = memoryStore({ now: () => Date.now() - behind })
    return {
      store,
      another: async () => memoryStore({ sharedWith: store }),
      savepoint: (tx, work) => (tx as MemoryTransaction).savepoint(work),
      async setBack(duration) {
        behind += duration
      },
      close: () => store.close(),
    }
  },
  { unmigrated: 'memory has no schema to migrate' },
)
