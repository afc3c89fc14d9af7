import type { JSX } from 'preact'
import { useFilterText } from '../../api/filter-address.ts'
import { Empty } from '../../parts/empty.tsx'
import { addressWith } from '../../place/place.ts'

/** Why the list is empty, and what to do. */
export function NoEvents({ q, isNew }: { readonly q: string; readonly isNew: boolean }): JSX.Element {
  const text = useFilterText(q)
  if (q === '' || isNew) {
    return (
      <Empty icon="events" title="No event has been published yet">
        <p>Events appear here once a transaction that published one has committed. To see one now:</p>
        <pre class="code" tabIndex={0} role="region" aria-label="Command">
          npx broadcaster publish --type order.placed --data '{'{"id":"a"}'}'
        </pre>
      </Empty>
    )
  }
  return (
    <Empty icon="find" title="No event matches">
      <p class="mono break">{text}</p>
      <div class="btns">
        <a class="btn" href={addressWith({ q: undefined, after: undefined })}>
          Clear the filter
        </a>
      </div>
    </Empty>
  )
}
