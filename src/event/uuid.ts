import { randomFillSync } from 'node:crypto'

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
const CANONICAL = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const BARE = /^[0-9a-f]{32}$/

/** Random bytes are drawn for many ids at once: one system call each would cost more than the rest. */
const pool = new Uint8Array(4096)
let used = pool.length
let lastTime = 0
let counter = 0

/**
 * A UUID of version 7 (RFC 9562): the millisecond, a counter of 12 bits, 62 random bits. Ids made by one process
 * sort in the order in which they were made, also when the clock goes back or more than 4,096 are made in a
 * millisecond (the time part then runs ahead).
 */
export function uuidV7(now: number = Date.now()): string {
  if (used + 10 > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const random = pool.subarray(used, used + 10)
  used += 10
  const byte = (index: number): number => random[index] ?? 0
  // The counter starts in the lower half, so that there is room to count in every millisecond.
  const start = ((byte(8) << 8) | byte(9)) & 0x7ff
  if (now > lastTime) {
    lastTime = now
    counter = start
  } else if (++counter > 0xfff) {
    lastTime += 1
    counter = start
  }
  const time = lastTime.toString(16).padStart(12, '0')
  const count = (0x7000 | counter).toString(16)
  const variant = `${HEX[(byte(0) & 0x3f) | 0x80]}${HEX[byte(1)]}`
  const tail = `${HEX[byte(2)]}${HEX[byte(3)]}${HEX[byte(4)]}${HEX[byte(5)]}${HEX[byte(6)]}${HEX[byte(7)]}`
  return `${time.slice(0, 8)}-${time.slice(8)}-${count}-${variant}-${tail}`
}

/** The canonical form of a UUID given in any case, with or without dashes; undefined when it is not one. */
export function canonicalUuid(text: string): string | undefined {
  const lower = text.toLowerCase()
  if (CANONICAL.test(lower)) return lower
  return BARE.test(lower) ? uuidFromHex(lower) : undefined
}

/** The canonical UUID of 32 hex digits. */
export function uuidFromHex(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
