import type { JSX } from 'preact'
import { useId, useState } from 'preact/hooks'
import { has } from '../../api/session.ts'
import type { AuditAnswer, AuditRow } from '../../api/types.ts'
import { undo } from '../../api/undo.ts'
import { useAsk } from '../../api/use-ask.ts'
import { Answered, NotThere } from '../../parts/asked.tsx'
import { DoButton } from '../../parts/do-button.tsx'
import { Empty } from '../../parts/empty.tsx'
import { Many, Nothing } from '../../parts/number.tsx'
import { Head, Panel } from '../../parts/panel.tsx'
import { isState, State } from '../../parts/state.tsx'
import { Rh, Table, Td, Th } from '../../parts/table.tsx'
import { Time } from '../../parts/time.tsx'
import { addressWith, go, place } from '../../place/place.ts'
import { useTitle } from '../../place/title.ts'
import { AuditTarget } from './audit-target.tsx'

export function Audit(): JSX.Element {
  const { query } = place.value
  const [who, what, after] = ['who', 'what', 'after'].map((name) => query.get(name) ?? '') as [string, string, string]
  const isThere = has('audit')
  const asked = useAsk<AuditAnswer>(isThere ? 'audit' : undefined, { who, what, after })
  useTitle('Audit')
  return (
    <>
      <Head
        title="Audit"
        text="Every change, by these pages, the API, the command or a worker. It cannot be edited here."
      />
      {isThere ? <AuditFilter key={`${who} ${what}`} who={who} what={what} /> : null}
      <Panel title="Newest first">
        {isThere ? (
          <Answered asked={asked} what="the audit">
            {({ audit, next }) =>
              audit.length === 0 ? (
                <Empty
                  icon="audit"
                  title={who === '' && what === '' ? 'Nothing has been changed yet' : 'No line matches'}
                >
                  {who === '' && what === '' ? (
                    <p>Each requeue, skip, pause and the like appears here.</p>
                  ) : (
                    <a class="btn" href="audit">
                      Show all
                    </a>
                  )}
                </Empty>
              ) : (
                <>
                  <Rows rows={audit} again={asked.again} />
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
            }
          </Answered>
        ) : (
          <NotThere what="an audit" />
        )}
      </Panel>
    </>
  )
}

function Rows({ rows, again }: { readonly rows: readonly AuditRow[]; readonly again: () => void }): JSX.Element {
  const takeBack = async ({ id, what }: AuditRow): Promise<void> => {
    await undo(id, what)
    again()
  }
  return (
    <Table
      label="The audit, newest first"
      head={
        <>
          <Th>When</Th>
          <Th>Who</Th>
          <Th>Did</Th>
          <Th>To what, and why</Th>
          <Th class="num">Events</Th>
          <Th>How it ended</Th>
        </>
      }
    >
      {rows.map((row) => (
        <tr key={row.id} role="row">
          <Td class="nowrap auto soft">
            <Time at={row.at} />
          </Td>
          <Rh class="first break">{row.who}</Rh>
          <Td class="strong auto">{row.what}</Td>
          <Td>
            <AuditTarget text={row.target} />
            {row.reason === null || row.reason === '' ? null : <span class="sub break">“{row.reason}”</span>}
          </Td>
          <Td class="num" h="Events">
            {row.moved === 0 ? <Nothing /> : <Many of={row.moved} />}
          </Td>
          <Td class="auto">
            {isState(row.outcome) ? <State name={row.outcome} /> : <State name="stopped" text={row.outcome} wraps />}{' '}
            {row.operation === null ? null : (
              <a class="btn btn--bare btn--small" href={`operations/${row.operation}`}>
                op {row.operation}
              </a>
            )}{' '}
            {row.undoable ? (
              <DoButton small onDo={() => void takeBack(row)}>
                Undo
              </DoButton>
            ) : null}
          </Td>
        </tr>
      ))}
    </Table>
  )
}

function AuditFilter({ who, what }: { readonly who: string; readonly what: string }): JSX.Element {
  const [one, setOne] = useState({ who, what })
  const ids = { who: useId(), what: useId() }
  return (
    <search>
      <form
        class="fields fields--line"
        onSubmit={(event) => {
          event.preventDefault()
          go(addressWith({ ...one, after: undefined }))
        }}
      >
        <div class="field">
          <label for={ids.who}>Who</label>
          <input
            class="input"
            id={ids.who}
            data-filter
            value={one.who}
            onInput={(event) => setOne({ ...one, who: event.currentTarget.value })}
          />
        </div>
        <div class="field">
          <label for={ids.what}>Did</label>
          <input
            class="input"
            id={ids.what}
            placeholder="requeue, pause, …"
            value={one.what}
            onInput={(event) => setOne({ ...one, what: event.currentTarget.value })}
          />
        </div>
        <button type="submit" class="btn">
          Filter
        </button>
      </form>
    </search>
  )
}
