/** Counts what each name did in the last minute, of at most `NAMES` of them. */
export interface MinuteLimit {
  /** Counts one more. Resolves to how long to wait, in milliseconds; 0 = go on. Nothing is counted while one has to wait. */
  take(name: string, now?: number): number
  /** How long to wait, without counting. */
  look(name: string, now?: number): number
}

const MINUTE = 60_000
/** More names than these cannot be people: the oldest are forgotten, and the limit over all still counts. */
const NAMES = 10_000

/** At most `most` in a minute for each name, and `all` for all of them together. */
export function rateLimit(most: number, all: number): MinuteLimit {
  const byName = new Map<string, number[]>()
  const total: number[] = []
  const left = (times: number[], limit: number, now: number): number => {
    while (times[0] !== undefined && times[0] <= now - MINUTE) times.shift()
    return times.length < limit ? 0 : (times[0] ?? now) + MINUTE - now
  }
  const look = (name: string, now: number): number =>
    Math.max(left(byName.get(name) ?? [], most, now), left(total, all, now))
  return {
    look: (name, now = performance.now()) => look(name, now),
    take(name, now = performance.now()) {
      const wait = look(name, now)
      if (wait > 0) return wait
      const times = byName.get(name) ?? []
      byName.delete(name)
      byName.set(name, [...times, now])
      total.push(now)
      const [oldest] = byName.size > NAMES ? byName.keys() : []
      if (oldest !== undefined) byName.delete(oldest)
      return 0
    },
  }
}
