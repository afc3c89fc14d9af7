import type { Count } from '../api/types.ts'

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 })
const figures = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 2 })

/** `11,058`, with the reader's separator. */
export const numberText = (value: number): string => whole.format(value)

/** `10,000+` where counting stopped. */
export const countText = (of: Count): string => `${whole.format(of.count)}${isExact(of) ? '' : '+'}`

/** Whether it was counted to the end. */
export const isExact = (of: Count): boolean => ('exact' in of ? of.exact : !of.more)

/** `≈ 5.1 M`: two figures and no more, for an estimate is not exact to more. */
export function estimateText(value: number): string {
  const [divisor, unit] = value >= 1e9 ? [1e9, ' G'] : value >= 1e6 ? [1e6, ' M'] : value >= 1e4 ? [1e3, ' k'] : [1, '']
  return `≈ ${figures.format(value / divisor)}${unit}`
}

/** `8.8`, and whole from 10. */
export const rateText = (value: number): string => (value < 10 ? figures.format(value) : whole.format(value))

/** `59 %`; one decimal below 10. */
export const shareText = (share: number): string =>
  `${share >= 0.1 || share === 0 ? whole.format(share * 100) : figures.format(share * 100)} %`

/** `4.6 GB`, with units of 1,000. */
export function bytesText(bytes: number): { readonly value: string; readonly unit: string } {
  const [divisor, unit] =
    bytes >= 1e9 ? [1e9, 'GB'] : bytes >= 1e6 ? [1e6, 'MB'] : bytes >= 1e4 ? [1e3, 'kB'] : [1, 'bytes']
  return {
    value: divisor === 1 || bytes / divisor >= 10 ? whole.format(bytes / divisor) : figures.format(bytes / divisor),
    unit,
  }
}

/** `1 event`, `31 events`, `10,000+ events`. */
export function manyText(count: number | Count, one: string, many = `${one}s`): string {
  const value: Count = typeof count === 'number' ? { count, exact: true } : count
  return `${countText(value)} ${value.count === 1 && isExact(value) ? one : many}`
}

/** All of them; a part that stopped makes the sum one that stopped. */
export const sumOf = (counts: readonly Count[]): Count => ({
  count: counts.reduce((all, { count }) => all + count, 0),
  exact: counts.every(isExact),
})
