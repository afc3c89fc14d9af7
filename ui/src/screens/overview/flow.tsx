import type { JSX } from 'preact'
import { databaseNow, now } from '../../api/clock.ts'
import { samples } from '../../api/samples.ts'
import type { Status } from '../../api/types.ts'
import { Chart } from '../../parts/chart.tsx'
import { Figures, Nothing } from '../../parts/number.tsx'
import { Panel } from '../../parts/panel.tsx'
import { ageText, durationText } from '../../words/duration.ts'
import { countText, manyText, sumOf } from '../../words/number.ts'
import { stuckOf } from './troubles.ts'

/** The chart's shortest span, in milliseconds. */
const SHORTEST = 60_000

/** What waits and what is stuck, since this page was opened: nothing older is stored. */
export function Flow({ status }: { readonly status: Status }): JSX.Element {
  void now.value
  const at = databaseNow()
  const from = samples.value[0]?.at ?? at
  const waiting = sumOf(status.backends.map((one) => one.waiting))
  const stuck = stuckOf(status)
  const points = [...samples.value, { at, waiting: waiting.count, stuck: stuck.count }].map((one) => ({
    at: one.at,
    values: [one.waiting, one.stuck],
  }))
  const lag = Math.max(0, ...status.backends.map((one) => one.lag ?? 0))
  const oldest = status.backends.find((one) => one.lag === lag)
  return (
    <Panel
      title="Waiting and stuck"
      note={`since this page was opened, ${at - from < 1_000 ? 'now' : `${ageText(at - from)} ago`}`}
      end={<Legend />}
    >
      <div class="flow">
        <div class="in">
          <Chart
            title="Events that wait, and events that are stuck"
            description={`${manyText(waiting, 'event')} wait, ${countText(stuck)} of them are stuck.`}
            points={points}
            lines={[
              { name: 'waiting', class: 'c-out-area', filled: true },
              { name: 'stuck', class: 'c-wait', filled: true },
            ]}
            from={from}
            to={Math.max(at, from + SHORTEST)}
          />
        </div>
        <dl class="figs">
          <Figure name="Waiting" note="due, not delivered">
            {countText(waiting)}
          </Figure>
          <Figure name="Stuck" note="held, of those">
            {countText(stuck)}
          </Figure>
          <Figure
            name="Oldest moving"
            note={lag === 0 || oldest === undefined ? 'nothing waits' : `on ${oldest.backend}`}
          >
            {lag === 0 ? <Nothing /> : <Figures text={durationText(lag)} />}
          </Figure>
          <Figure name="Not due yet" note="scheduled, or a retry">
            {countText(sumOf(status.backends.map((one) => one.scheduled)))}
          </Figure>
          <Figure name="Between retries" note="go on by themselves">
            {countText(sumOf(status.backends.map((one) => one.retrying)))}
          </Figure>
          <Figure name="Failed" note="wait for you">
            {countText(sumOf(status.backends.map((one) => one.failed)))}
          </Figure>
        </dl>
      </div>
    </Panel>
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
        <rect class="c-out-area" width="18" height="10" />
      </svg>
      Waiting
    </li>
    <li>
      <svg viewBox="0 0 18 10" aria-hidden="true">
        <rect class="c-wait" width="18" height="10" />
      </svg>
      Stuck
    </li>
  </ul>
)
