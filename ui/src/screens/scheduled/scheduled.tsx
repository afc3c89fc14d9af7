import type { JSX } from 'preact'
import { now } from '../../api/clock.ts'
import { status } from '../../api/live.ts'
import type { EventRow, EventsAnswer } from '../../api/types.ts'
import { useAsk } from '../../api/use-ask.ts'
import { Answered } from '../../parts/asked.tsx'
import { Empty } from '../../parts/empty.tsx'
import { Head, Panel } from '../../parts/panel.tsx'
import { Rh, Table, Td, Th } from '../../parts/table.tsx'
import { Time, Until } from '../../parts/time.tsx'
import { address, addressWith, place } from '../../place/place.ts'
import { useTitle } from '../../place/title.ts'
import { keyText, shortId } from '../../words/event-state.ts'
import { manyText, sumOf } from '../../words/number.ts'
import { addressOfEvent } from '../events/event-table.tsx'
import { DueStrip } from './due-strip.tsx'

/** A page of the API's list. */
const LIMIT = 100

/** What is not due yet, on a time line. */
export function Scheduled(): JSX.Element {
  const { query } = place.value
  const backend = query.get('backend') ?? ''
  const q = `is:scheduled${backend === '' ? '' : ` backend:${backend}`}`
  const asked = useAsk<EventsAnswer>('events', { q, limit: LIMIT, after: query.get('after') ?? '' })
  const known = status.value?.backends.filter((one) => backend === '' || one.backend === backend)
  const count = known === undefined ? undefined : sumOf(known.map((one) => one.scheduled))
  const title =
    count === undefined
      ? 'Scheduled'
      : count.count === 0
        ? 'Nothing is scheduled'
        : `${manyText(count, 'event')} not due yet`
  useTitle(title)
  return (
    <>
      <Head
        title={title}
        text="Events that were published for later, and those that wait for their next retry. They go out by themselves when they are due."
      >
        <a class="btn" href={address(['events'], { q })}>
          As a list of events
        </a>
      </Head>
      {backend === '' ? null : (
        <p>
          Only those of <b>{backend}</b>. <a href="scheduled">Show all backends</a>
        </p>
      )}
      <Panel
        title="Due, next first"
        note={asked.answer?.next == null ? undefined : `of the ${LIMIT} that were published last`}
      >
        <Answered asked={asked} what="the scheduled events">
          {({ events, next }) => (events.length === 0 ? <None /> : <Rows events={events} next={next} />)}
        </Answered>
      </Panel>
    </>
  )
}

const None = (): JSX.Element => (
  <Empty icon="scheduled" title="No event is scheduled">
    <p>
      An event that is published with <code>scheduledAt</code> is listed here until it is due.{' '}
      <a href="events?q=status:retry">Those between retries</a>
    </p>
  </Empty>
)

function Rows({ events, next }: { readonly events: readonly EventRow[]; readonly next: string | null }): JSX.Element {
  const rows = events.toSorted((a, b) => Date.parse(a.dueAt) - Date.parse(b.dueAt))
  return (
    <>
      <div class="in">
        <DueStrip dueTimes={rows.map(({ dueAt }) => Date.parse(dueAt))} now={now.value} />
      </div>
      <Table
        label="Scheduled events"
        head={
          <>
            <Th>Due</Th>
            <Th>In</Th>
            <Th>Type</Th>
            <Th>Key</Th>
            <Th>Backend</Th>
            <Th class="num hide-m">Id</Th>
          </>
        }
      >
        {rows.map((event) => (
          <tr key={event.id} role="row">
            <Td class="nowrap auto">
              <Time at={event.dueAt} />
            </Td>
            <Td class="nowrap soft auto">
              <Until at={event.dueAt} />
            </Td>
            <Rh class="break">
              <a href={addressOfEvent(event.id)}>{event.type}</a>
            </Rh>
            <Td class="mono break auto">{keyText(event)}</Td>
            <Td class="auto">{event.backend}</Td>
            <Td class="num mono quiet hide-m hide-s" title={event.id}>
              {shortId(event.id)}
            </Td>
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
