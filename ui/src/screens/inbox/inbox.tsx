import type { JSX } from 'preact'
import { has } from '../../api/session.ts'
import type { InboxAnswer } from '../../api/types.ts'
import { useAsk } from '../../api/use-ask.ts'
import { Answered, NotThere } from '../../parts/asked.tsx'
import { Empty } from '../../parts/empty.tsx'
import { Head, Panel } from '../../parts/panel.tsx'
import { Rh, Table, Td, Th } from '../../parts/table.tsx'
import { Time } from '../../parts/time.tsx'
import { addressWith, place } from '../../place/place.ts'
import { useTitle } from '../../place/title.ts'

/** Which events consumers have handled, so that none is handled twice. */
export function Inbox(): JSX.Element {
  const isThere = has('inbox')
  const asked = useAsk<InboxAnswer>(isThere ? 'inbox' : undefined, { after: place.value.query.get('after') ?? '' })
  useTitle('Inbox')
  return (
    <>
      <Head
        title="Inbox"
        text="Which events each consumer has handled, written in its own transaction: an event that comes again is not handled again."
      />
      <Panel title="Handled, newest first">
        {isThere ? (
          <Answered asked={asked} what="the inbox">
            {({ inbox, next }) =>
              inbox.length === 0 ? (
                <Empty icon="inbox" title="Nothing was handled through the inbox yet">
                  <p>
                    A consumer that uses <code>inbox.once</code> leaves a line here for each event.
                  </p>
                </Empty>
              ) : (
                <>
                  <Table
                    label="Handled events"
                    head={
                      <>
                        <Th>Handled</Th>
                        <Th>Consumer</Th>
                        <Th>Event</Th>
                        <Th>Source</Th>
                      </>
                    }
                  >
                    {inbox.map((row) => (
                      <tr key={`${row.consumer} ${row.source} ${row.eventId}`} role="row">
                        <Td class="nowrap auto">
                          <Time at={row.handledAt} />
                        </Td>
                        <Td class="auto">{row.consumer}</Td>
                        <Rh class="mono break">{row.eventId}</Rh>
                        <Td class="mono break soft">{row.source}</Td>
                      </tr>
                    ))}
                  </Table>
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
          <NotThere what="a list of its inbox" />
        )}
      </Panel>
    </>
  )
}
