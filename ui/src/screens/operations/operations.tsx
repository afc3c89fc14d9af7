import type { JSX } from 'preact'
import { has } from '../../api/session.ts'
import type { OperationRow, OperationsAnswer } from '../../api/types.ts'
import { useAsk } from '../../api/use-ask.ts'
import { Answered } from '../../parts/asked.tsx'
import { Empty } from '../../parts/empty.tsx'
import { Head, Panel } from '../../parts/panel.tsx'
import { State } from '../../parts/state.tsx'
import { Rh, Table, Td, Th } from '../../parts/table.tsx'
import { Age } from '../../parts/time.tsx'
import { addressWith, place } from '../../place/place.ts'
import { useTitle } from '../../place/title.ts'
import { numberText } from '../../words/number.ts'
import { OperationButtons, stateOf } from './operation-buttons.tsx'
import { Progress } from './progress.tsx'

/** How often what runs is asked for, in milliseconds. */
const EVERY = 1_000

const isRunning = ({ state }: OperationRow): boolean => state === 'running' || state === 'paused'

export function Operations(): JSX.Element {
  const after = place.value.query.get('after') ?? ''
  const asked = useAsk<OperationsAnswer>('operations', { after }, EVERY)
  useTitle('Operations')
  const running = asked.answer?.operations.filter(isRunning) ?? []
  return (
    <>
      <Head
        title="Operations"
        text="What is done to many events at once. An operation is a row in the database: it survives this page and any worker, and can be stopped at any time."
      >
        {has('operations') ? (
          <a class="btn btn--main" href="operations/new">
            New operation
          </a>
        ) : null}
      </Head>
      {running.length === 0 ? null : (
        <Panel title="Running">
          {running.map((row) => (
            <Progress key={row.id} row={row} again={asked.again} />
          ))}
        </Panel>
      )}
      <Panel title={running.length === 0 ? 'Operations, newest first' : 'Ended'}>
        <Answered asked={asked} what="the operations">
          {({ operations, next }) => {
            const ended = operations.filter((row) => !isRunning(row))
            return (
              <>
                {ended.length === 0 ? <None isAny={running.length > 0} /> : <Ended rows={ended} again={asked.again} />}
                {next === null ? null : (
                  <footer>
                    <span class="grow" />
                    <a class="btn" href={addressWith({ after: next })}>
                      Next page
                    </a>
                  </footer>
                )}
              </>
            )
          }}
        </Answered>
      </Panel>
    </>
  )
}

const None = ({ isAny }: { readonly isAny: boolean }): JSX.Element => (
  <Empty icon="operations" title={isAny ? 'None has ended yet' : 'No operation yet'}>
    <p>One begins with a filter: from the events that match, or from a group of failures.</p>
  </Empty>
)

function Ended({ rows, again }: { readonly rows: readonly OperationRow[]; readonly again: () => void }): JSX.Element {
  return (
    <Table
      label="Ended operations"
      head={
        <>
          <Th>Operation</Th>
          <Th class="num">Matched</Th>
          <Th class="num">Done</Th>
          <Th>Ended</Th>
          <Th>By</Th>
          <Th class="act">Undo</Th>
        </>
      }
    >
      {rows.map((row) => (
        <tr key={row.id} role="row">
          <Rh>
            <a href={`operations/${row.id}`}>#{row.id}</a> {row.do}
            <span class="sub mono break">{row.q || 'all events'}</span>
          </Rh>
          <Td class="num" h="Matched">
            {row.total === null ? '–' : numberText(row.total)}
          </Td>
          <Td class="num" h="Done">
            {numberText(row.done)}
          </Td>
          <Td>
            <State name={stateOf(row)} />{' '}
            <span class="quiet">{row.endedAt === null ? '' : <Age at={row.endedAt} ago />}</span>
          </Td>
          <Td h="By">{row.by}</Td>
          <Td class="act">
            <div class="btns">
              <OperationButtons row={row} again={again} />
            </div>
          </Td>
        </tr>
      ))}
    </Table>
  )
}
