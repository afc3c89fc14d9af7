import type { JSX } from 'preact'
import { useId } from 'preact/hooks'
import { manyText } from '../../words/number.ts'
import { timeText } from '../../words/time.ts'

const BARS = 60
const WIDTH = 1_200
const HEIGHT = 72

/** How many are due when: 60 bars from now to the last. Pure. */
export function barsOf(
  dueTimes: readonly number[],
  now: number,
): { readonly end: number; readonly counts: readonly number[] } {
  const end = Math.max(now + 60_000, ...dueTimes)
  const counts = new Array<number>(BARS).fill(0)
  for (const at of dueTimes) {
    const bar = Math.min(BARS - 1, Math.max(0, Math.floor(((at - now) / (end - now)) * BARS)))
    counts[bar] = (counts[bar] ?? 0) + 1
  }
  return { end, counts }
}

export function DueStrip({
  dueTimes,
  now,
}: {
  readonly dueTimes: readonly number[]
  readonly now: number
}): JSX.Element {
  const { end, counts } = barsOf(dueTimes, now)
  const most = Math.max(1, ...counts)
  const title = useId()
  const step = WIDTH / BARS
  return (
    <>
      <svg class="due" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-labelledby={title}>
        <title id={title}>
          {`${manyText(dueTimes.length, 'event')} are due between now and ${timeText(end, now)}; the table has each.`}
        </title>
        <path class="c-grid" d={`M0 ${HEIGHT - 1}H${WIDTH}`} />
        {counts.map((count, bar) =>
          count === 0 ? null : (
            <rect
              key={String(bar)}
              class="b-calm"
              x={bar * step + 2}
              width={step - 4}
              y={HEIGHT - 1 - (count / most) * (HEIGHT - 6)}
              height={(count / most) * (HEIGHT - 6)}
            />
          ),
        )}
      </svg>
      <p class="due-ends small quiet" aria-hidden="true">
        <span>now</span>
        <span>{timeText(now + (end - now) / 2, now)}</span>
        <span>{timeText(end, now)}</span>
      </p>
    </>
  )
}
