import { signal } from '@preact/signals'
import { keep, kept } from '../api/kept.ts'

/** The zone that times are shown in: the viewer's, or UTC. */
export const zone = signal<'own' | 'utc'>(kept('zone') === 'utc' ? 'utc' : 'own')

export const ownZone = new Intl.DateTimeFormat().resolvedOptions().timeZone

export function switchZone(): void {
  zone.value = zone.value === 'own' ? 'utc' : 'own'
  keep('zone', zone.value)
}

/** `Berlin`, `UTC`: what stands in the top bar. */
export function zoneName(): string {
  return zone.value === 'utc' ? 'UTC' : (ownZone.split('/').at(-1) ?? ownZone).replaceAll('_', ' ')
}

/** `UTC+1`; nothing where the zone is UTC. */
export function zoneOffset(now: number): string {
  if (zone.value === 'utc') return ''
  const parts = new Intl.DateTimeFormat('en', { timeZone: ownZone, timeZoneName: 'shortOffset' }).formatToParts(now)
  return (parts.find(({ type }) => type === 'timeZoneName')?.value ?? '')
    .replace('GMT', 'UTC')
    .replace(/^UTC(?:[+-]0)?$/, '')
}

const formats = new Map<string, Intl.DateTimeFormat>()

function format(name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${name}/${zone.value}`
  const timeZone = zone.value === 'utc' ? 'UTC' : ownZone
  const made = formats.get(key) ?? new Intl.DateTimeFormat('en-GB', { ...options, timeZone })
  formats.set(key, made)
  return made
}

const clock = (at: number): string =>
  format('clock', { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }).format(at)
const day = (at: number): string => format('day', { day: 'numeric', month: 'short' }).format(at)
const year = (at: number): string => format('year', { year: 'numeric' }).format(at)

/** `15:32:08`; with the date where it is not today, and the year where it is not this one. */
export function timeText(at: number, now: number): string {
  if (day(at) === day(now) && year(at) === year(now)) return clock(at)
  return `${day(at)}${year(at) === year(now) ? '' : ` ${year(at)}`} ${clock(at)}`
}

/** `27 Nov 2026 14:32:08.000 UTC`, for the title. */
export function exactTimeText(at: number): string {
  const iso = new Date(at).toISOString()
  const date = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' })
  return `${date.format(at)} ${iso.slice(11, 23)} UTC`
}
