import type { WakeStore } from '../store.ts'
import type { Database } from './database.ts'

/** How often an armed listener looks, in milliseconds. A look costs a few microseconds and no disk access. */
const LOOK_EVERY = 20

/**
 * Wake-up: SQLite has no notifications, but a number that changes when another connection commits. Our own commits on
 * the relay's connection do not change it (settling must not wake us); for those that others should notice, call
 * `notify`.
 */
export function sqliteWake(database: Database): WakeStore & { notify(): void } {
  const armed = new Set<() => void>()
  return {
    notify() {
      for (const wake of [...armed]) wake()
    },
    async listen(onWake, onLost) {
      // Fails at once when the file cannot be read.
      await database.dataVersion()
      let timer: NodeJS.Timeout | undefined
      let closed = false
      const disarm = (): void => {
        armed.delete(onWake)
        clearTimeout(timer)
        timer = undefined
      }
      const look = (seen: number): void => {
        const current = setTimeout(() => {
          database.dataVersion().then(
            (version) => {
              if (timer !== current) return
              if (version !== seen) onWake()
              if (timer === current) look(version)
            },
            (error: unknown) => {
              if (timer !== current) return
              closed = true
              disarm()
              onLost(error)
            },
          )
        }, LOOK_EVERY)
        // The worker keeps the process alive, not its listener.
        current.unref()
        timer = current
      }
      return {
        async arm() {
          if (closed) return false
          const seen = await database.dataVersion()
          if (closed) return false
          disarm()
          armed.add(onWake)
          look(seen)
          return true
        },
        async disarm() {
          disarm()
        },
        async close() {
          closed = true
          disarm()
        },
      }
    },
  }
}
