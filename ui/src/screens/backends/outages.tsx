import type { JSX } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'
import { databaseNow, now } from '../../api/clock.ts'
import { has } from '../../api/session.ts'
import type { OutageJson, OutagesAnswer } from '../../api/types.ts'
import { useAsk } from '../../api/use-ask.ts'
import { Time } from '../../parts/time.tsx'
import { durationText } from '../../words/duration.ts'
import { manyText } from '../../words/number.ts'

const DAY = 86_400_000
const WIDTH = 1_000

/** The outages of one backend: the last day as a strip, and each in a list. `state`: when it changes they are asked again. */
export function Outages({ backend, state }: { readonly backend: string; readonly state: string }): JSX.Element | null {
  const asked = useAsk<OutagesAnswer>(has('history') ? 'outages' : undefined, { backend })
  const { again } = asked
  const seen = useRef(state)
  useEffect(() => {
    if (seen.current === state) return
    seen.current = state
    again()
  }, [state, again])
  const outages = asked.answer?.outages
  if (outages === undefined) return null
  return (
    <div>
      <Strip outages={outages} />
      {outages.length === 0 ? null : (
        <details>
          <summary class="small soft">
            {manyText(outages.length, 'outage')}
            {asked.answer?.next === null ? '' : ', the newest'}
          </summary>
          <ul class="outages small">
            {outages.map((one) => (
              <Row key={one.id} outage={one} />
            ))}
          </ul>
        </details>
      )}
    </div>
  )
}

/** In words, for those who do not see it, and below it for all. */
function wordsOf(outages: readonly OutageJson[], at: number): string {
  const lately = outages.filter(({ closedAt }) => closedAt === null || Date.parse(closedAt) > at - DAY)
  if (lately.length === 0) return 'Last 24 hours: no outage'
  const lost = lately.reduce((all, one) => {
    const end = one.closedAt === null ? at : Date.parse(one.closedAt)
    return all + Math.max(0, end - Math.max(at - DAY, Date.parse(one.openedAt)))
  }, 0)
  return `Last 24 hours: ${manyText(lately.length, 'outage')}, ${durationText(lost)} in all`
}

function Strip({ outages }: { readonly outages: readonly OutageJson[] }): JSX.Element {
  void now.value
  const title = useId()
  const at = databaseNow()
  const x = (time: number): number => ((Math.max(at - DAY, time) - (at - DAY)) / DAY) * WIDTH
  const words = wordsOf(outages, at)
  return (
    <>
      <svg class="strip" viewBox={`0 0 ${WIDTH} 10`} preserveAspectRatio="none" role="img" aria-labelledby={title}>
        <title id={title}>{words}</title>
        <rect class="b-flow" y="4" width={WIDTH} height="2" />
        {outages.map(({ id, destination, openedAt, closedAt }) => {
          const [from, to] = [Date.parse(openedAt), closedAt === null ? at : Date.parse(closedAt)]
          if (to <= at - DAY) return null
          return (
            <rect
              key={id}
              class={destination === '' ? 'b-bad' : 'b-warn'}
              x={x(from)}
              // Narrower than this nobody sees it.
              width={Math.max(3, x(to) - x(from))}
              height="10"
            />
          )
        })}
      </svg>
      <p class="small quiet" aria-hidden="true">
        {words}
      </p>
    </>
  )
}

function Row({ outage }: { readonly outage: OutageJson }): JSX.Element {
  const { destination, openedAt, openedBy, reason, probes, probedAt, lastError, closedAt, closedBy } = outage
  return (
    <li>
      <p>
        <Time at={openedAt} /> opened{destination === '' ? '' : ` for ${destination}`} by{' '}
        <span class="mono">{openedBy}</span>: <code class="break">{reason || 'no reason was stored'}</code>
      </p>
      {probedAt === null ? null : (
        <p class="soft">
          <Time at={probedAt} /> half open,{' '}
          {probes === 1 ? 'the only try' : `the last of ${manyText(probes, 'try', 'tries')}`}
          {lastError === '' || lastError === reason ? null : (
            <>
              ; one failed with <code class="break">{lastError}</code>
            </>
          )}
        </p>
      )}
      <p class="soft">
        {closedAt === null ? (
          'It is open.'
        ) : (
          <>
            <Time at={closedAt} /> closed
            {closedBy === '' ? (
              ''
            ) : (
              <>
                {' '}
                by <span class="mono">{closedBy}</span>
              </>
            )}
            , after {durationText(Date.parse(closedAt) - Date.parse(openedAt))}
          </>
        )}
      </p>
    </li>
  )
}
