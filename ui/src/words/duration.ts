const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const

/**
 * The two largest units: `13 min 41 s`, `3 h 11 min`; `0.3 s` below 10 s, whole `ms` below 1 s if asked. Never negative: clocks
 * may disagree.
 */
export function durationText(milliseconds: number, { ms = false } = {}): string {
  const left = Math.max(0, milliseconds)
  if (left < 1_000 && ms) return `${Math.round(left)} ms`
  if (left < 10_000) return `${(Math.floor(left / 100) / 10).toFixed(left < 50 ? 0 : 1)} s`
  const first = UNITS.findIndex(([, size]) => left >= size)
  const [unit, size] = UNITS[first] ?? UNITS[3]
  const next = UNITS[first + 1]
  const rest = next === undefined ? 0 : Math.floor((left % size) / next[1])
  return `${Math.floor(left / size)} ${unit}${next === undefined || rest === 0 ? '' : ` ${rest} ${next[0]}`}`
}

/** One unit, for lists: `28 s`, `16 min`, `3 h`, `4 d`. */
export function ageText(milliseconds: number): string {
  const left = Math.max(0, milliseconds)
  const [unit, size] = UNITS.find(([, one]) => left >= one) ?? UNITS[3]
  return `${Math.floor(left / size)} ${unit}`
}

/** How long a delivery took, of a sample, so to two figures: `8 ms`, `1.3 s`, `4 min`. */
export function tookText(milliseconds: number): string {
  if (milliseconds < 1_000) return `${Number(milliseconds.toPrecision(2))} ms`
  if (milliseconds < 60_000) return `${Number((milliseconds / 1_000).toPrecision(2))} s`
  return milliseconds < 3_600_000
    ? `${Number((milliseconds / 60_000).toPrecision(2))} min`
    : `${Number((milliseconds / 3_600_000).toPrecision(2))} h`
}
