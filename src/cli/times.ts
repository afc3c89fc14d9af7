import type { BackendFlow, Flow } from '../admin/flow.ts'

/** What was done for each backend in the last minutes, by its name. */
export type Lately = ReadonlyMap<string, BackendFlow>

export function latelyOf({ lately }: Flow): Lately {
  return new Map(lately.backends.map((one) => [one.backend, one]))
}

/** A time to delivery: `8 ms`, `1.3 s`, `4 min`. It is of a sample, so to two figures. */
export function timeText(milliseconds: number | undefined): string {
  if (milliseconds === undefined) return ''
  if (milliseconds < 1_000) return `${milliseconds} ms`
  if (milliseconds < 60_000) return `${(milliseconds / 1_000).toFixed(milliseconds < 10_000 ? 1 : 0)} s`
  return milliseconds < 3_600_000
    ? `${Math.round(milliseconds / 60_000)} min`
    : `${(milliseconds / 3_600_000).toFixed(1)} h`
}

/** `8.8`, and whole from 10. */
export const perSecond = (rate: number): string => (rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString('en'))
