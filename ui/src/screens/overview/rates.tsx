import type { JSX } from 'preact'
import { databaseNow } from '../../api/clock.ts'
import type { FlowAnswer, FlowPoint } from '../../api/types.ts'
import type { Asked } from '../../api/use-ask.ts'
import { Answered } from '../../parts/asked.tsx'
import { Chart } from '../../parts/chart.tsx'
import { Figures, Nothing } from '../../parts/number.tsx'
import { Panel } from '../../parts/panel.tsx'
import { addressWith, go } from '../../place/place.ts'
import { tookText } from '../../words/duration.ts'
import { numberText, rateText } from '../../words/number.ts'

export const RANGES = { '1h': '1 h', '24h': '24 h', '7d': '7 d' } as const
export type Range = keyof typeof RANGES

/** What stands in the address. */
export const rangeOf = (text: string | null): Range => (text === '24h' || text === '7d' ? text : '1h')

const NAMES: Readonly<Record<Range, string>> = { '1h': 'the last hour', '24h': 'the last day', '7d': 'the last week' }

/** What came in and what went out, a second, as workers wrote it down. */
export function Rates({ asked, range }: { readonly asked: Asked<FlowAnswer>; readonly range: Range }): JSX.Element {
  return (
    <Panel title="In and out" note={`events a second, ${NAMES[range]}`} end={<Ranges range={range} />}>
      <Answered asked={asked} what="the rates">
        {(answer) => <Known answer={answer} range={range} />}
      </Answered>
    </Panel>
  )
}

function Known({ answer, range }: { readonly answer: FlowAnswer; readonly range: Range }): JSX.Element {
  const { seconds, points, lately } = answer
  const known = points.filter(({ stored, delivered }) => stored !== null || delivered > 0)
  const sum = (of: (point: FlowPoint) => number): number => points.reduce((all, point) => all + of(point), 0)
  const [stored, delivered] = [sum((one) => one.stored ?? 0), sum((one) => one.delivered)]
  const failed = lately.backends.reduce((all, one) => all + one.failed, 0)
  const retried = lately.backends.reduce((all, one) => all + one.retried, 0)
  const out = lately.backends.reduce((all, one) => all + one.delivered, 0) / lately.seconds
  const slowest = lately.backends
    .filter(({ times }) => times !== null)
    .toSorted((a, b) => (b.times?.p99 ?? 0) - (a.times?.p99 ?? 0))[0]
  const from = Date.parse(points[0]?.at ?? answer.at)
  return (
    <div class="flow">
      <div class="in">
        <Chart
          title={`Events a second that were stored and delivered, ${NAMES[range]}`}
          description={`${numberText(Math.round(stored))} were stored and ${numberText(delivered)} delivered.`}
          points={known.map((one) => ({
            at: Date.parse(one.at) + (seconds * 1_000) / 2,
            values: [one.delivered / seconds, one.stored === null ? null : one.stored / seconds],
          }))}
          lines={[
            { name: 'out', class: 'c-out' },
            { name: 'in', class: 'c-in' },
          ]}
          valueText={rateText}
          from={from}
          to={Math.max(databaseNow(), from + 1)}
        />
        {known.length > 0 ? (
          <Legend />
        ) : (
          <p class="small quiet">No worker has written anything down for a span that is over.</p>
        )}
      </div>
      <dl class="figs">
        <Figure name="In" note="stored a second, lately">
          {lately.stored === null ? <Nothing /> : rateText(lately.stored / lately.seconds)}
        </Figure>
        <Figure name="Out" note="delivered a second">
          {rateText(out)}
        </Figure>
        <Figure name="Half within" note={slowest === undefined ? 'nothing delivered' : `on ${slowest.backend}`}>
          {slowest?.times == null ? <Nothing /> : <Figures text={tookText(slowest.times.p50)} />}
        </Figure>
        <Figure name="99 % within" note={slowest === undefined ? 'nothing delivered' : 'the slowest backend'}>
          {slowest?.times == null ? <Nothing /> : <Figures text={tookText(slowest.times.p99)} />}
        </Figure>
        <Figure name="Retried" note="in the last minutes">
          {numberText(retried)}
        </Figure>
        <Figure name="Failed" note="in the last minutes">
          {numberText(failed)}
        </Figure>
      </dl>
    </div>
  )
}

function Ranges({ range }: { readonly range: Range }): JSX.Element {
  return (
    <fieldset class="seg">
      <legend class="vh">How far back</legend>
      {(Object.keys(RANGES) as Range[]).map((one) => (
        <button
          key={one}
          type="button"
          aria-pressed={one === range}
          onClick={() => go(addressWith({ range: one === '1h' ? undefined : one }), { replace: true })}
        >
          {RANGES[one]}
        </button>
      ))}
    </fieldset>
  )
}

function Figure({
  name,
  note,
  children,
}: {
  readonly name: string
  readonly note: string
  readonly children: preact.ComponentChildren
}): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {children}
        <small>{note}</small>
      </dd>
    </div>
  )
}

const Legend = (): JSX.Element => (
  <ul class="legend">
    <li>
      <svg viewBox="0 0 18 10" aria-hidden="true">
        <path class="c-in" d="M0 5H18" />
      </svg>
      In (stored)
    </li>
    <li>
      <svg viewBox="0 0 18 10" aria-hidden="true">
        <path class="c-out" d="M0 5H18" />
      </svg>
      Out (acknowledged)
    </li>
  </ul>
)
