import type { JSX } from 'preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { now } from '../api/clock.ts'
import { numberText } from '../words/number.ts'
import { timeText } from '../words/time.ts'

export interface ChartPoint {
  readonly at: number
  /** Null = not known: the line has a gap there. */
  readonly values: readonly (number | null)[]
}

interface Props {
  /** In words, for those who do not see it; the numbers stand beside it. */
  readonly title: string
  readonly description: string
  readonly points: readonly ChartPoint[]
  /** The name and the class of each line, in the order of a point's values. */
  readonly lines: readonly { readonly name: string; readonly class: string; readonly filled?: boolean }[]
  readonly from: number
  readonly to: number
  /** How a value is written. Default: as a whole number. */
  readonly valueText?: (value: number) => string
}

const HEIGHT = 212
const LEFT = 52
const RIGHT = 8
const TOP = 10
const BOTTOM = 22

/** A scale's end: 1, 2, 4, 5 or 8 times a power of ten. Pure. */
export function niceEnd(most: number): number {
  if (most <= 4) return 4
  const power = 10 ** Math.floor(Math.log10(most))
  return ([1, 2, 4, 5, 8, 10].find((step) => step * power >= most) ?? 10) * power
}

const saidOf = (value: number | null, text: (value: number) => string): string => (value === null ? '–' : text(value))

/** Lines over time, drawn by the page itself: at most some hundred points, in the colors of the theme, sharp at each zoom. */
export function Chart({ title, description, points, lines, from, to, valueText = numberText }: Props): JSX.Element {
  const box = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(720)
  const [pointed, setPointed] = useState<ChartPoint>()
  const ids = { title: useId(), description: useId() }
  useEffect(() => {
    if (box.current === null) return
    const observer = new ResizeObserver(([entry]) => setWidth(Math.max(240, entry?.contentRect.width ?? 720)))
    observer.observe(box.current)
    return () => observer.disconnect()
  }, [])

  const end = niceEnd(Math.max(0, ...points.flatMap(({ values }) => values.map((value) => value ?? 0))))
  const x = (at: number): number => LEFT + ((at - from) / Math.max(1, to - from)) * (width - LEFT - RIGHT)
  const y = (value: number): number => TOP + (1 - value / end) * (HEIGHT - TOP - BOTTOM)
  const path = (index: number): string => {
    let isDrawing = false
    return points
      .map(({ at, values }) => {
        const value = values[index] ?? null
        const move = isDrawing ? 'L' : 'M'
        isDrawing = value !== null
        return value === null ? '' : `${move}${x(at).toFixed(1)} ${y(value).toFixed(1)}`
      })
      .join('')
  }
  const ticks = width < 480 ? [0, 1] : [0, 1 / 4, 1 / 2, 3 / 4, 1]
  const point = (event: PointerEvent): void => {
    const left = box.current?.getBoundingClientRect().left ?? 0
    const at = event.clientX - left
    setPointed(points.toSorted((a, b) => Math.abs(x(a.at) - at) - Math.abs(x(b.at) - at))[0])
  }

  return (
    <div ref={box} onPointerMove={point} onPointerLeave={() => setPointed(undefined)}>
      <svg
        class="chart"
        width={width}
        height={HEIGHT}
        viewBox={`0 0 ${width} ${HEIGHT}`}
        role="img"
        aria-labelledby={`${ids.title} ${ids.description}`}
      >
        <title id={ids.title}>{title}</title>
        <desc id={ids.description}>{description}</desc>
        {[0, end / 2, end].map((value) => (
          <g key={value}>
            <path class="c-grid" d={`M${LEFT} ${y(value)}H${width - RIGHT}`} />
            <text x={LEFT - 8} y={y(value) + 4} text-anchor="end">
              {valueText(value)}
            </text>
          </g>
        ))}
        {lines.map((line, index) => (
          <path
            key={line.name}
            class={line.class}
            d={
              line.filled && points.length > 0
                ? `${path(index)}L${x(points.at(-1)?.at ?? to).toFixed(1)} ${y(0)}L${x(points[0]?.at ?? from).toFixed(1)} ${y(0)}Z`
                : path(index)
            }
          />
        ))}
        {ticks.map((share) => (
          <text
            key={share}
            x={LEFT + share * (width - LEFT - RIGHT)}
            y={HEIGHT - 4}
            text-anchor={share === 0 ? 'start' : share === 1 ? 'end' : 'middle'}
          >
            {share === 1 && to <= now.value + 2_000
              ? 'now'
              : timeText(from + share * (to - from), now.value).replace(/^.* /, '')}
          </text>
        ))}
        {pointed === undefined ? null : (
          <g>
            <path class="c-cursor" d={`M${x(pointed.at)} ${TOP}V${HEIGHT - BOTTOM}`} />
            <text
              class="c-says"
              x={x(pointed.at) + (x(pointed.at) > width / 2 ? -6 : 6)}
              y={TOP + 10}
              text-anchor={x(pointed.at) > width / 2 ? 'end' : 'start'}
            >
              {timeText(pointed.at, now.value).replace(/^.* /, '')}:{' '}
              {lines.map(({ name }, index) => `${name} ${saidOf(pointed.values[index] ?? null, valueText)}`).join(', ')}
            </text>
          </g>
        )}
      </svg>
    </div>
  )
}
