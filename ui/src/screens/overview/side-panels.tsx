import type { JSX } from 'preact'
import type { Status } from '../../api/types.ts'
import { Empty } from '../../parts/empty.tsx'
import { Figures, Many } from '../../parts/number.tsx'
import { Panel } from '../../parts/panel.tsx'
import { State } from '../../parts/state.tsx'
import { durationText } from '../../words/duration.ts'
import { manyText, numberText } from '../../words/number.ts'

/** Who is alive, for how long its lease lasts, and how many lanes it owns. */
export function Workers({ status }: { readonly status: Status }): JSX.Element {
  const { workers, lanes } = status
  const orphaned = lanes.reduce((all, one) => all + one.orphaned, 0)
  return (
    <Panel
      title="Workers"
      end={
        workers.length === 0 ? undefined : (
          <State
            name={orphaned === 0 ? 'fine' : 'wrong'}
            text={orphaned === 0 ? `${workers.length} alive` : `${manyText(orphaned, 'lane')} without owner`}
          />
        )
      }
    >
      {workers.length === 0 ? (
        <Empty icon="wrong" title="No worker is alive">
          <p>Events are stored and wait. They go out once a worker runs:</p>
          <pre class="code" tabIndex={0} role="region" aria-label="Command">
            npx broadcaster worker
          </pre>
        </Empty>
      ) : (
        <table class="tbl">
          <thead>
            <tr>
              <th scope="col">Worker</th>
              <th scope="col" class="num">
                Lanes
              </th>
              <th scope="col" class="num">
                Lease ends in
              </th>
            </tr>
          </thead>
          <tbody>
            {workers.map((worker) => (
              <tr key={worker.id}>
                <th scope="row">
                  <span class="mono break">{worker.name}</span>
                  <span class="sub">{worker.backends.join(', ')}</span>
                </th>
                <td class="num">
                  <Many of={worker.lanes} />
                </td>
                <td class="num">
                  <Figures text={durationText(worker.leaseLeft)} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  )
}

export function Running({ status }: { readonly status: Status }): JSX.Element | null {
  const [first] = status.operations ?? []
  if (first === undefined) return null
  return (
    <Panel
      title={`Running ${(status.operations?.length ?? 0) === 1 ? 'operation' : 'operations'}`}
      end={<a href="operations">All operations</a>}
      padded
    >
      <p>
        <a href={`operations/${first.id}`}>
          #{first.id} {first.do}
        </a>{' '}
        <span class="quiet">by {first.by}</span>
      </p>
      <p class="small soft">
        {numberText(first.done)}
        {first.total === null ? '' : ` of ${numberText(first.total)}`} done
      </p>
      <progress
        {...(first.total === null ? {} : { max: first.total, value: first.done })}
        aria-label={`Progress of operation ${first.id}`}
      />
    </Panel>
  )
}

/** What doctor found, without what is well. */
export function Findings({ status }: { readonly status: Status }): JSX.Element {
  const found = status.findings.filter(({ level }) => level !== 'fine')
  return (
    <Panel title="Doctor" end={<a href="storage#doctor">Details</a>} padded>
      {found.length === 0 ? (
        <State name="fine" text={`${manyText(status.findings.length, 'check')}, nothing found`} />
      ) : (
        <ul class="stack stack--tight">
          {found.slice(0, 5).map(({ code, level, message, cure }) => (
            <li key={code + message}>
              <State name={level} text={message} wraps />
              {cure === null ? null : <p class="soft small break">{cure}</p>}
            </li>
          ))}
        </ul>
      )}
    </Panel>
  )
}
