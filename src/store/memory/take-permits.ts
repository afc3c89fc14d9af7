import type { RateStore } from '../coordination-store.ts'
import { takePermits } from '../permits.ts'
import type { MemoryOutbox } from './memory-outbox.ts'

/** What all workers took of a rate, in memory. */
export function memoryRates(outbox: MemoryOutbox): RateStore {
  return {
    async take(backend, destination, request) {
      const name = JSON.stringify([backend, destination])
      const now = outbox.now()
      const { spent, ...permits } = takePermits((outbox.rates.get(name) ?? now) - now, request)
      if (spent !== null) outbox.rates.set(name, now + spent)
      return permits
    },
  }
}
