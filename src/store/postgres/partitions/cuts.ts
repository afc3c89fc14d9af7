import { uuidFromHex } from '../../../event/uuid.ts'
import type { Tables } from '../tables.ts'

/** How long the time of one partition is. */
export type PartitionInterval = 'hour' | 'day'

/** A range of ids, both ends included, and the partition that holds it. */
export interface Cut {
  readonly low: string
  readonly last: string
  /** The bare name of its table. */
  readonly name: string
}

export const LENGTH: Readonly<Record<PartitionInterval, number>> = { hour: 3_600_000, day: 86_400_000 }

export const FIRST_ID = '00000000-0000-0000-0000-000000000000'
export const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

/**
 * How far into the future ids are kept apart from the others, in ms: 20 years. One of 450 random ids lies in it, in the partition
 * that is for all after the last that was made.
 */
const HORIZON = 20 * 365.25 * 24 * 3_600_000

/** The smallest UUID v7 of an instant, in ms since 1970. */
export function idAt(time: number): string {
  return uuidFromHex(`${Math.floor(time).toString(16).padStart(12, '0')}70008000000000000000`)
}

/** The time that an id begins with, in ms since 1970: of any id, whatever its version. */
export function timeOf(id: string): number {
  return Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)
}

/** The id before this one. */
export function idBefore(id: string): string {
  return uuidFromHex((BigInt(`0x${id.replaceAll('-', '')}`) - 1n).toString(16).padStart(32, '0'))
}

/** The id after this one. */
export function idAfter(id: string): string {
  return uuidFromHex((BigInt(`0x${id.replaceAll('-', '')}`) + 1n).toString(16).padStart(32, '0'))
}

/** The beginning of the interval in which an instant lies, or of one that comes so many later. */
export function beginOf(time: number, interval: PartitionInterval, later = 0): number {
  return (Math.floor(time / LENGTH[interval]) + later) * LENGTH[interval]
}

/** The end of what is kept apart, for a table that is partitioned now. */
export function horizonOf(now: number): string {
  return idAt(beginOf(now + HORIZON, 'day'))
}

/** The bare name of the partition of an interval: `outbox_events_p20261130`, or `outbox_events_p20261130_07`. */
export function partitionName(t: Tables, time: number, interval: PartitionInterval): string {
  const [date = '', rest = ''] = new Date(time).toISOString().replaceAll('-', '').split('T')
  return bareIn(t, `p${date}${interval === 'hour' ? `_${rest.slice(0, 2)}` : ''}`)
}

/** The bare name of a table or an index beside the events table. */
export function bareIn(t: Tables, suffix: string): string {
  return t.index(suffix).slice(1, -1)
}

/** A bare name, quoted and qualified. */
export function qualify(t: Tables, name: string): string {
  return t.schema === undefined ? `"${name}"` : `${t.schema}."${name}"`
}

/** Partitions of so many intervals from one on. */
export function cutsFrom(t: Tables, time: number, interval: PartitionInterval, count: number): readonly Cut[] {
  return Array.from({ length: count }, (_, n) => {
    const begin = beginOf(time, interval, n)
    return {
      low: idAt(begin),
      last: idBefore(idAt(begin + LENGTH[interval])),
      name: partitionName(t, begin, interval),
    }
  })
}
