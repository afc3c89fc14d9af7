import type { JSX } from 'preact'
import type { BackendFlowJson, BackendJson, FlowAnswer, Status } from '../../api/types.ts'
import { Empty } from '../../parts/empty.tsx'
import { Figures, Many, Nothing } from '../../parts/number.tsx'
import { Panel } from '../../parts/panel.tsx'
import { Sign, State } from '../../parts/state.tsx'
import { address } from '../../place/place.ts'
import { backendState } from '../../words/backend-state.ts'
import { durationText, tookText } from '../../words/duration.ts'
import { manyText, rateText } from '../../words/number.ts'

type Lately = FlowAnswer['lately']

interface Props {
  readonly status: Status
  /** What was done in the last minutes; undefined = not known. */
  readonly lately: Lately | undefined
}

export function BackendTable({ status, lately }: Props): JSX.Element {
  const worst = (one: BackendJson): number => ['down', 'paused', 'slow', 'flowing'].indexOf(backendState(one))
  const rows = status.backends.toSorted(
    (a, b) => worst(a) - worst(b) || b.stuck.count - a.stuck.count || a.backend.localeCompare(b.backend),
  )
  return (
    <Panel title="Backends" end={<a href="backends">All about them</a>}>
      {rows.length === 0 ? (
        <Empty icon="backends" title="No backend yet">
          <p>None is configured, and no event names one.</p>
        </Empty>
      ) : (
        <table class="tbl tbl--stack" role="table">
          <thead role="rowgroup">
            <tr role="row">
              <th scope="col" role="columnheader">
                Backend
              </th>
              <th scope="col" role="columnheader">
                State
              </th>
              <th scope="col" role="columnheader" class="num">
                Waiting
              </th>
              <th scope="col" role="columnheader" class="num">
                Stuck
              </th>
              <th
                scope="col"
                role="columnheader"
                class="num"
                title="The age of the oldest due event that nothing holds"
              >
                Lag
              </th>
              <th scope="col" role="columnheader" class="num" title="Delivered a second, in the last minutes">
                Out/s
              </th>
              <th
                scope="col"
                role="columnheader"
                class="num"
                title="Half, 95 % and 99 % of the deliveries of the last minutes took no longer"
              >
                p50 <span class="quiet hide-m hide-s">· p95 · p99</span>
              </th>
              <th scope="col" role="columnheader" class="num hide-s">
                Not due yet
              </th>
              <th scope="col" role="columnheader" class="num hide-s">
                Between retries
              </th>
              <th scope="col" role="columnheader" class="num">
                Failed
              </th>
            </tr>
          </thead>
          <tbody role="rowgroup">
            {rows.map((row) => (
              <Row
                key={row.backend}
                row={row}
                seconds={lately?.seconds ?? 1}
                done={lately?.backends.find(({ backend }) => backend === row.backend)}
              />
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  )
}

interface RowProps {
  readonly row: BackendJson
  readonly seconds: number
  readonly done: BackendFlowJson | undefined
}

function Row({ row, seconds, done }: RowProps): JSX.Element {
  const { backend, description, configured } = row
  const q = (more: string): string => address(['events'], { q: `backend:${backend} ${more}` })
  return (
    <tr role="row">
      <th scope="row" role="rowheader" class="first">
        <a href={`backends#${encodeURIComponent(backend)}`}>{backend}</a>{' '}
        <span class="quiet small">{configured ? description?.split(' ')[0] : 'not configured here'}</span>
      </th>
      <td role="cell" class="auto">
        <span class="states">
          <State name={backendState(row)} />
          {row.blockedKeys.count === 0 ? null : (
            <Sign icon="blocked" tone="held" href="keys">
              {manyText(row.blockedKeys, 'key')} blocked
            </Sign>
          )}
        </span>
      </td>
      <td role="cell" class="num" data-h="Waiting">
        <Many of={row.waiting} href={q('is:due')} />
      </td>
      <td role="cell" class="num" data-h="Stuck">
        <Many of={row.stuck} />
      </td>
      <td role="cell" class="num" data-h="Lag">
        {row.lag === null ? <Nothing /> : <Figures text={durationText(row.lag)} />}
      </td>
      <td role="cell" class="num" data-h="Out/s">
        {done === undefined ? <Nothing /> : rateText(done.delivered / seconds)}
      </td>
      <td role="cell" class="num nowrap" data-h="Half within">
        {done?.times == null ? (
          <Nothing />
        ) : (
          <>
            <Figures text={tookText(done.times.p50)} />
            <span class="quiet hide-m hide-s">
              {' '}
              · <Figures text={tookText(done.times.p95)} /> · <Figures text={tookText(done.times.p99)} />
            </span>
          </>
        )}
      </td>
      <td role="cell" class="num hide-s">
        <Many of={row.scheduled} href={`scheduled?backend=${encodeURIComponent(backend)}`} />
      </td>
      <td role="cell" class="num hide-s">
        <Many of={row.retrying} href={q('status:retry')} />
      </td>
      <td role="cell" class="num" data-h="Failed">
        <Many of={row.failed} href={q('status:failed')} />
      </td>
    </tr>
  )
}
