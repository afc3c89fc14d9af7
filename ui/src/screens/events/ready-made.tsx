import type { JSX } from 'preact'
import { status } from '../../api/live.ts'
import type { BackendJson, Count } from '../../api/types.ts'
import { address } from '../../place/place.ts'
import { countText, estimateText, numberText, sumOf } from '../../words/number.ts'

interface ReadyMade {
  readonly name: string
  readonly q: string
  /** Where the live feed counts the same. */
  readonly count?: (one: BackendJson) => Count
}

/** The filters that are asked most. Only those have a count whose list is the same question. */
export const READY_MADE: readonly ReadyMade[] = [
  { name: 'All', q: '' },
  { name: 'Waiting', q: 'is:due' },
  { name: 'Retry', q: 'status:retry' },
  { name: 'Failed', q: 'status:failed', count: (one) => one.failed },
  { name: 'Blocked', q: 'is:blocked' },
  { name: 'Published', q: 'status:published' },
  { name: 'Cancelled', q: 'status:cancelled' },
]

export function ReadyMadeTabs({ q }: { readonly q: string }): JSX.Element {
  const isOwn = !READY_MADE.some((one) => one.q === q)
  return (
    <nav class="tabs" aria-label="Ready-made filters">
      {READY_MADE.map((one) => (
        <a
          key={one.name}
          href={address(['events'], one.q === '' ? {} : { q: one.q })}
          aria-current={one.q === q ? 'page' : undefined}
        >
          {one.name}
          <span class="n">{countOf(one)}</span>
        </a>
      ))}
      <a href="scheduled">Scheduled</a>
      {isOwn ? (
        <a href={address(['events'], { q })} aria-current="page">
          Your filter
        </a>
      ) : null}
    </nav>
  )
}

function countOf({ q, count }: ReadyMade): string | null {
  const one = status.value
  if (one === undefined) return null
  if (q === '') return one.totalRowsIsEstimate ? estimateText(one.totalRows) : numberText(one.totalRows)
  return count === undefined ? null : countText(sumOf(one.backends.map(count)))
}
