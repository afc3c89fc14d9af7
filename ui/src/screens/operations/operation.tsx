import type { JSX } from 'preact'
import type { OperationRow } from '../../api/types.ts'
import { useAsk } from '../../api/use-ask.ts'
import { Answered } from '../../parts/asked.tsx'
import { Icon } from '../../parts/icon.tsx'
import { Panel } from '../../parts/panel.tsx'
import { Time } from '../../parts/time.tsx'
import { address } from '../../place/place.ts'
import { useTitle } from '../../place/title.ts'
import { Progress } from './progress.tsx'

/** One operation: its progress, once a second while it runs. */
export function Operation({ id }: { readonly id: string }): JSX.Element {
  const asked = useAsk<OperationRow>(`operations/${encodeURIComponent(id)}`, {}, 1_000)
  useTitle(`Operation ${id}`)
  return (
    <>
      <div>
        <nav class="crumb" aria-label="Where you are">
          <a href="operations">Operations</a>
          <Icon name="after" />
          <span>#{id}</span>
        </nav>
        <h1>Operation {id}</h1>
      </div>
      <Panel title="Progress">
        <Answered asked={asked} what="the operation" lines={4}>
          {(row) => (
            <>
              <Progress row={row} again={asked.again} />
              <div class="in">
                <dl class="kv">
                  <dt>Which events</dt>
                  <dd class="mono">
                    <a href={address(['events'], row.q === '' ? {} : { q: row.q })}>{row.q || 'all'}</a>
                  </dd>
                  <dt>By</dt>
                  <dd>{row.by}</dd>
                  <dt>Why</dt>
                  <dd>{row.reason ?? 'No reason was given'}</dd>
                  <dt>At most</dt>
                  <dd>{row.rate === null ? 'as fast as it goes' : `${row.rate} /s`}</dd>
                  <dt>Ended</dt>
                  <dd>{row.endedAt === null ? 'not yet' : <Time at={row.endedAt} />}</dd>
                </dl>
              </div>
            </>
          )}
        </Answered>
      </Panel>
    </>
  )
}
