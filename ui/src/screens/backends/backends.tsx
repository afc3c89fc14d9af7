import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import { status } from '../../api/live.ts'
import type { BackendRow, BackendsAnswer } from '../../api/types.ts'
import { useAsk } from '../../api/use-ask.ts'
import { Answered } from '../../parts/asked.tsx'
import { Empty } from '../../parts/empty.tsx'
import { Head, Untitled } from '../../parts/panel.tsx'
import { place } from '../../place/place.ts'
import { useTitle } from '../../place/title.ts'
import { backendState } from '../../words/backend-state.ts'
import { manyText } from '../../words/number.ts'
import { Backend } from './backend.tsx'

const ORDER = ['down', 'paused', 'slow', 'flowing']

/** A row of `api/backends` has its breakers apart; this is how they stand in the live feed. */
const stateOf = ({ paused, breaker, destinations }: BackendRow): ReturnType<typeof backendState> =>
  backendState({ paused, openBreakers: breaker === null ? destinations : [breaker, ...destinations] })

export function Backends(): JSX.Element {
  const asked = useAsk<BackendsAnswer>('backends')
  const { again, againSoon } = asked
  // What the live feed says of pauses and breakers: when it changes, the rest is asked again.
  const seen = status.value?.backends.map((one) => `${one.backend} ${backendState(one)}`).join()
  useEffect(() => {
    if (seen !== undefined) again()
  }, [seen, again])
  const rows = asked.answer?.backends.toSorted(
    (a, b) => ORDER.indexOf(stateOf(a)) - ORDER.indexOf(stateOf(b)) || a.name.localeCompare(b.name),
  )
  const delivering = rows?.filter((row) => !['down', 'paused'].includes(stateOf(row))).length ?? 0
  const title =
    rows === undefined || rows.length === 0
      ? 'Backends'
      : delivering === rows.length
        ? rows.length === 1
          ? 'The backend delivers'
          : `All ${rows.length} backends deliver`
        : `${delivering} of ${manyText(rows.length, 'backend')} ${delivering === 1 ? 'delivers' : 'deliver'}`
  useTitle(title)
  const isThere = rows !== undefined
  useEffect(() => {
    const { hash } = place.peek()
    if (isThere && hash !== '') document.getElementById(hash)?.scrollIntoView()
  }, [isThere])
  return (
    <>
      <Head
        title={title}
        text="Each way out is on its own: one that is down or slow delays no other. All workers share one breaker for each."
      />
      <Untitled label="Backends, those that need a look first">
        <Answered asked={asked} what="the backends" lines={8}>
          {() =>
            rows === undefined || rows.length === 0 ? (
              <Empty icon="backends" title="No backend">
                <p>None is configured here, and no event names one.</p>
              </Empty>
            ) : (
              rows.map((row) => (
                <Backend
                  key={row.name}
                  row={row}
                  state={stateOf(row)}
                  at={asked.answer?.at ?? null}
                  again={againSoon}
                />
              ))
            )
          }
        </Answered>
      </Untitled>
    </>
  )
}
