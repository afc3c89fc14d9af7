import type { JSX } from 'preact'
import { now } from '../../api/clock.ts'
import type { EventAnswer, EventRow } from '../../api/types.ts'
import { CopyButton } from '../../parts/copy.tsx'
import { Many, Nothing } from '../../parts/number.tsx'
import { Panel } from '../../parts/panel.tsx'
import { State } from '../../parts/state.tsx'
import { Time } from '../../parts/time.tsx'
import { address } from '../../place/place.ts'
import { durationText } from '../../words/duration.ts'
import { eventState, keyFilter, keyText } from '../../words/event-state.ts'
import { numberText } from '../../words/number.ts'
import { addressOfEvent } from '../events/event-table.tsx'
import { attributesOf, traceOf } from './cloud-event.ts'

export function Delivery({ answer: { event } }: { readonly answer: EventAnswer }): JSX.Element {
  const trace = traceOf(event)
  return (
    <Panel title="Delivery" padded>
      <dl class="kv">
        <dt>Backend</dt>
        <dd>
          <a href={`backends#${encodeURIComponent(event.backend)}`}>{event.backend}</a>
        </dd>
        <dt>Status</dt>
        <dd>
          <State name={eventState(event, now.value)} />
        </dd>
        <dt>Attempts</dt>
        <dd>
          {event.retryCount} of {event.maxRetries}
        </dd>
        <dt>Key</dt>
        <dd class="mono">
          {event.keyHash === null ? (
            <Nothing />
          ) : (
            <a href={address(['events'], { q: keyFilter(event.keyHash) })}>{keyText(event)}</a>
          )}
        </dd>
        <dt>Position</dt>
        <dd>
          {event.seq === null ? <Nothing /> : `seq ${numberText(event.seq)}`}
          {event.lane === null ? '' : `, lane ${event.lane}`}
        </dd>
        <dt>Due</dt>
        <dd>{event.dueAt === event.createdAt ? 'at once' : <Time at={event.dueAt} />}</dd>
        {event.publishedAt === null ? null : (
          <>
            <dt>Published</dt>
            <dd>
              <Time at={event.publishedAt} />
            </dd>
            <dt>Delivered in</dt>
            <dd title="From the insert: the time of the commit is not stored">
              {durationText(Date.parse(event.publishedAt) - Date.parse(event.createdAt), { ms: true })}
            </dd>
          </>
        )}
        {trace === undefined ? null : (
          <>
            <dt>Trace</dt>
            <dd class="mono">
              {`${trace.slice(0, 8)}…${trace.slice(-6)} `}
              <CopyButton text={trace} what="trace id" />
            </dd>
          </>
        )}
      </dl>
    </Panel>
  )
}

export function Attributes({ answer: { event } }: { readonly answer: EventAnswer }): JSX.Element {
  return (
    <Panel title="CloudEvent" padded>
      <dl class="kv">
        {attributesOf(event).map(({ name, node }) => (
          <>
            <dt key={`${name} name`}>{name}</dt>
            <dd key={name} class="mono small">
              {node.kind === 'string' ? node.value : 'text' in node ? node.text : ''}
            </dd>
          </>
        ))}
      </dl>
    </Panel>
  )
}

/** The same event for other backends. */
export function Copies({ copies }: { readonly copies: readonly EventRow[] }): JSX.Element | null {
  if (copies.length === 0) return null
  return (
    <Panel title="Its other backends">
      <table class="tbl">
        <thead class="vh">
          <tr>
            <th scope="col">Backend</th>
            <th scope="col">Status</th>
            <th scope="col">When</th>
          </tr>
        </thead>
        <tbody>
          {copies.map((copy) => (
            <tr key={copy.id}>
              <th scope="row">
                <a href={addressOfEvent(copy.id)}>{copy.backend}</a>
              </th>
              <td>
                <State name={eventState(copy, now.value)} />
              </td>
              <td class="num">
                <Time at={copy.publishedAt ?? copy.updatedAt} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  )
}

/** The events of its key before and after it. */
export function SameKey({ answer: { event, sameKey } }: { readonly answer: EventAnswer }): JSX.Element | null {
  if (sameKey === null || event.keyHash === null) return null
  const { previous, next, waitingBehind } = sameKey
  const gap = (other: EventRow): string =>
    durationText(Math.abs(Date.parse(other.createdAt) - Date.parse(event.createdAt)), { ms: true })
  return (
    <Panel
      title="Same key, in order"
      end={<a href={address(['events'], { q: keyFilter(event.keyHash) })}>All of them</a>}
    >
      <table class="tbl">
        <thead class="vh">
          <tr>
            <th scope="col">Type</th>
            <th scope="col">Status</th>
          </tr>
        </thead>
        <tbody>
          {previous === null ? null : <Neighbour event={previous} note={`${gap(previous)} before`} />}
          <tr class="is-on">
            <th scope="row" aria-current="true">
              <span class="break">{event.type}</span>
              <span class="sub">this event</span>
            </th>
            <td class="num">
              <State name={eventState(event, now.value)} />
            </td>
          </tr>
          {next === null ? null : <Neighbour event={next} note={`${gap(next)} after`} />}
        </tbody>
      </table>
      {waitingBehind.count === 0 ? null : (
        <p class="in small quiet pad-top">
          <Many of={waitingBehind} /> later ones are not delivered yet.
        </p>
      )}
    </Panel>
  )
}

function Neighbour({ event, note }: { readonly event: EventRow; readonly note: string }): JSX.Element {
  return (
    <tr>
      <th scope="row">
        <a class="break" href={addressOfEvent(event.id)}>
          {event.type}
        </a>
        <span class="sub">{note}</span>
      </th>
      <td class="num">
        <State name={eventState(event, now.value)} />
      </td>
    </tr>
  )
}
