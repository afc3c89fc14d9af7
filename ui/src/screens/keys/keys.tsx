import type { JSX } from 'preact'
import { useId, useState } from 'preact/hooks'
import { act } from '../../api/act.ts'
import { move, resultText } from '../../api/moves.ts'
import type { BlockedKeyRow, KeysAnswer } from '../../api/types.ts'
import { useAsk } from '../../api/use-ask.ts'
import { Answered } from '../../parts/asked.tsx'
import { Bulk } from '../../parts/bulk.tsx'
import { DoButton } from '../../parts/do-button.tsx'
import { Empty } from '../../parts/empty.tsx'
import { Icon } from '../../parts/icon.tsx'
import { Many } from '../../parts/number.tsx'
import { Head } from '../../parts/panel.tsx'
import { Rh, Table, Td, Th } from '../../parts/table.tsx'
import { Since, Time } from '../../parts/time.tsx'
import { say } from '../../parts/toasts.tsx'
import { address, addressWith, place } from '../../place/place.ts'
import { useTitle } from '../../place/title.ts'
import { keyFilter, keyText } from '../../words/event-state.ts'
import { manyText, sumOf } from '../../words/number.ts'
import { addressOfEvent } from '../events/event-table.tsx'

export function Keys(): JSX.Element {
  const after = place.value.query.get('after') ?? ''
  const asked = useAsk<KeysAnswer>('keys', { after })
  const [asking, setAsking] = useState(false)
  const heading = useId()
  const { answer } = asked
  const waiting =
    answer === undefined ? undefined : sumOf(answer.blocked.map((one) => ({ count: one.waiting, more: one.more })))
  const title =
    answer === undefined || waiting === undefined
      ? 'Keys'
      : answer.total.count === 0
        ? 'No key is blocked'
        : `${manyText(answer.total, 'blocked key')}${answer.next === null && after === '' ? `, ${manyText(waiting, 'event')} wait` : ''}`
  useTitle(title)
  return (
    <>
      <Head
        title={title}
        text="Order within a key is kept, so an event that failed for good holds up the later ones of its key. Other keys go on."
      />
      <section class="panel" aria-labelledby={heading}>
        <header>
          <h2 id={heading}>Blocked: wait for you</h2>
          <span class="grow" />
          <button type="button" class="btn btn--bare btn--small" onClick={asked.again}>
            <Icon name="requeue" />
            Refresh
          </button>
          {answer === undefined || answer.blocked.length === 0 ? null : (
            <DoButton icon="requeue" small onDo={() => setAsking(true)}>
              Requeue all that block…
            </DoButton>
          )}
        </header>
        <Answered asked={asked} what="the blocked keys">
          {({ blocked, next }) =>
            blocked.length === 0 ? (
              <Empty title="No key is blocked">
                <p>
                  A key is blocked while an event of it has failed for good, on a backend with{' '}
                  <code>onFailed: 'block'</code>.
                </p>
              </Empty>
            ) : (
              <>
                <Table
                  labelledBy={heading}
                  head={
                    <>
                      <Th>Key</Th>
                      <Th class="num">Wait behind it</Th>
                      <Th>Since</Th>
                      <Th>Held by</Th>
                      <Th class="act">Mend</Th>
                    </>
                  }
                >
                  {blocked.map((row) => (
                    <Row key={`${row.backend} ${row.keyHash}`} row={row} again={asked.againSoon} />
                  ))}
                </Table>
                <footer class="small">
                  <span>
                    <b>Requeue it</b> sends the failed event again, then the rest in order.
                  </span>
                  <span>
                    <b>Skip it</b> leaves it failed; the rest go out without it.
                  </span>
                  <span class="grow" />
                  {next === null ? null : (
                    <a class="btn btn--small" href={addressWith({ after: next })}>
                      Next page
                    </a>
                  )}
                </footer>
              </>
            )
          }
        </Answered>
      </section>
      {asking ? (
        <Bulk
          name="requeue"
          target={{ q: 'status:failed is:blocked' }}
          onClose={() => setAsking(false)}
          onDone={(text) => {
            setAsking(false)
            say({ text })
            asked.againSoon()
          }}
        />
      ) : null}
    </>
  )
}

function Row({ row, again }: { readonly row: BlockedKeyRow; readonly again: () => void }): JSX.Element {
  const { backend, keyHash, head, error, since, waiting, more } = row
  const [isBusy, setIsBusy] = useState(false)
  const gone = head === null ? 'the event that held it is gone' : undefined
  const run = async (name: 'requeue' | 'skip'): Promise<void> => {
    if (head === null) return
    setIsBusy(true)
    await act(`The ${name}`, async () => resultText(name, await move(name, { ids: [head.id] })))
    setIsBusy(false)
    again()
  }
  return (
    <tr role="row">
      <Rh class="mono break">
        {keyText(row)}
        <span class="sub">{backend}</span>
      </Rh>
      <Td class="num" h="Wait behind it:">
        <Many
          of={{ count: waiting, more }}
          href={address(['events'], { q: `${keyFilter(keyHash)} backend:${backend} is:blocked` })}
        />
      </Td>
      <Td class="nowrap" h="Since:">
        <Time at={since} />
        <span class="sub">
          <Since at={since} />
        </span>
      </Td>
      <Td>
        {head === null ? <span class="quiet">gone since</span> : <a href={addressOfEvent(head.id)}>{head.type}</a>}
        <span class="sub break">{error}</span>
      </Td>
      <Td class="act">
        <div class="btns">
          <DoButton icon="requeue" small isBusy={isBusy} whyNot={gone} onDo={() => void run('requeue')}>
            Requeue it
          </DoButton>
          <DoButton icon="skip" small isBusy={isBusy} whyNot={gone} onDo={() => void run('skip')}>
            Skip it
          </DoButton>
        </div>
      </Td>
    </tr>
  )
}
