import type { WakeStore } from '../store.ts'
import type { MemoryOutbox } from './memory-outbox.ts'

/** Wake-up within the process. */
export function memoryWake(outbox: MemoryOutbox): WakeStore {
  return {
    async listen(onWake) {
      return {
        async arm() {
          outbox.listeners.add(onWake)
          return true
        },
        async disarm() {
          outbox.listeners.delete(onWake)
        },
        async close() {
          outbox.listeners.delete(onWake)
        },
      }
    },
  }
}
