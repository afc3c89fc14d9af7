import type { JSX } from 'preact'
import { now } from '../api/clock.ts'
import { ageText, durationText } from '../words/duration.ts'
import { exactTimeText, timeText } from '../words/time.ts'

const DAY = 86_400_000

/** A moment in the reader's zone; its title holds UTC with milliseconds. */
export function Time({ at }: { readonly at: string | number }): JSX.Element {
  const time = typeof at === 'number' ? at : Date.parse(at)
  return (
    <time dateTime={new Date(time).toISOString()} title={exactTimeText(time)}>
      {timeText(time, now.value)}
    </time>
  )
}

/** How old something is: `16 min`, counted by the second; from a day on the moment itself. */
export function Age({ at, ago = false }: { readonly at: string; readonly ago?: boolean }): JSX.Element {
  const time = Date.parse(at)
  const age = now.value - time
  const title = `${timeText(time, now.value)} (${exactTimeText(time)})`
  return (
    <time dateTime={at} title={title}>
      {age >= DAY ? timeText(time, now.value).replace(/:\d\d$/, '') : `${ageText(age)}${ago ? ' ago' : ''}`}
    </time>
  )
}

/** How long it lasts since then: `13 min 41 s`. */
export function Since({ at }: { readonly at: string | number }): JSX.Element {
  return <>{durationText(now.value - (typeof at === 'number' ? at : Date.parse(at)))}</>
}

/** How long until then: `48 s`; `now` once it is past. */
export function Until({ at }: { readonly at: string | number }): JSX.Element {
  const left = (typeof at === 'number' ? at : Date.parse(at)) - now.value
  return <>{left <= 0 ? 'now' : durationText(left < 10_000 ? Math.ceil(left / 1_000) * 1_000 : left)}</>
}
