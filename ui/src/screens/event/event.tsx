import type { JSX } from 'preact'
import type { EventAnswer } from '../../api/types.ts'
import { useAsk } from '../../api/use-ask.ts'
import { Answered } from '../../parts/asked.tsx'
import { CopyButton, copy } from '../../parts/copy.tsx'
import { Empty } from '../../parts/empty.tsx'
import { Icon } from '../../parts/icon.tsx'
import { Menu } from '../../parts/menu.tsx'
import { Untitled } from '../../parts/panel.tsx'
import { address, go, place } from '../../place/place.ts'
import { useTitle } from '../../place/title.ts'
import { useKeys } from '../../shell/keyboard.ts'
import { keyText } from '../../words/event-state.ts'
import { addressOfEvent } from '../events/event-table.tsx'
import { besides } from '../events/last-list.ts'
import { cloudEventText, curlText } from './cloud-event.ts'
import { Data } from './data.tsx'
import { Attributes, Copies, Delivery, SameKey } from './facts.tsx'
import { TimeLine } from './time-line.tsx'
import { WhatBecame } from './what-became.tsx'

export function Event({ id }: { readonly id: string }): JSX.Element {
  const asked = useAsk<EventAnswer>(`events/${encodeURIComponent(id)}`)
  const q = place.value.query.get('q') ?? ''
  const { answer, problem } = asked
  useTitle(answer?.event.type ?? 'Event')
  if (problem?.status === 404) return <Gone id={id} />
  if (answer === undefined) {
    return (
      <>
        <h1 class="vh">Event</h1>
        <Untitled label="Loading">
          <Answered asked={asked} what="the event" lines={10}>
            {() => null}
          </Answered>
        </Untitled>
      </>
    )
  }
  const { event } = answer
  return (
    <>
      <div>
        <nav class="crumb" aria-label="Where you are">
          <a href={address(['events'], q === '' ? {} : { q })}>Events</a>
          <Icon name="after" />
          <span>{event.type}</span>
        </nav>
        <div class="head">
          <div>
            <h1 class="break">
              {event.type}
              {keyText(event) === '' ? null : (
                <>
                  {' '}
                  <span class="quiet">for</span> {keyText(event)}
                </>
              )}
            </h1>
            <p class="mono small break">
              {event.id} <CopyButton text={event.id} what="id" />
            </p>
          </div>
          <div class="btns">
            <Besides id={event.id} q={q} />
            <CopyAs answer={answer} />
          </div>
        </div>
      </div>
      {problem === undefined ? null : (
        <Answered asked={{ ...asked, answer: undefined }} what="the event">
          {() => null}
        </Answered>
      )}
      <WhatBecame answer={answer} again={asked.again} />
      <div class="cols cols--side">
        <div class="stack">
          <TimeLine answer={answer} />
          <Data key={event.id} event={event} />
          <Attributes answer={answer} />
        </div>
        <div class="stack">
          <Delivery answer={answer} />
          <Copies copies={answer.copies} />
          <SameKey answer={answer} />
        </div>
      </div>
    </>
  )
}

/** Previous and next of the list that was shown last. */
function Besides({ id, q }: { readonly id: string; readonly q: string }): JSX.Element | null {
  const { previous, next } = besides(id, q)
  useKeys((key) => {
    const to = key === '[' ? previous : key === ']' ? next : undefined
    if (to === undefined) return false
    go(addressOfEvent(to, q))
    return true
  })
  if (previous === undefined && next === undefined) return null
  const button = (to: string | undefined, icon: 'before' | 'after', label: string, key: string): JSX.Element => (
    <button
      type="button"
      class="btn btn--icon"
      aria-label={label}
      title={`${label} (${key})`}
      disabled={to === undefined}
      onClick={() => {
        if (to !== undefined) go(addressOfEvent(to, q))
      }}
    >
      <Icon name={icon} />
    </button>
  )
  return (
    <>
      {button(previous, 'before', 'Previous event of the list', '[')}
      {button(next, 'after', 'Next event of the list', ']')}
    </>
  )
}

function CopyAs({ answer: { event } }: { readonly answer: EventAnswer }): JSX.Element {
  const ways: readonly (readonly [string, () => string])[] = [
    ['CloudEvent', () => cloudEventText(event)],
    ['Data as JSON', () => event.dataText ?? event.dataBase64 ?? ''],
    ['curl', () => curlText(event)],
    ['The row as JSON', () => JSON.stringify(event, undefined, 2)],
  ]
  return (
    <Menu
      label="Copy as"
      class="btn"
      button={
        <>
          <Icon name="copy" />
          Copy as
          <Icon name="open" />
        </>
      }
    >
      <ul class="menu-list">
        {ways.map(([name, text]) => (
          <li key={name}>
            <button type="button" class="btn btn--bare" onClick={() => void copy(text(), name)}>
              {name}
            </button>
          </li>
        ))}
      </ul>
    </Menu>
  )
}

/** An address of an event that retention has removed, or that never was. */
function Gone({ id }: { readonly id: string }): JSX.Element {
  // A UUID v7 begins with the milliseconds of its making.
  const made = /^[\da-f]{8}-[\da-f]{4}-7/i.test(id)
    ? Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)
    : undefined
  return (
    <>
      <h1 class="vh">No such event</h1>
      <Untitled label="No such event">
        <Empty icon="cancelled" title={`There is no event ${id.slice(0, 40)}`}>
          <p>
            {made === undefined
              ? ''
              : `Its id says that it was made at ${new Date(made).toISOString().slice(0, 16).replace('T', ' ')} UTC. `}
            Published and cancelled events are kept for as long as the retention says. The audit may still name it.
          </p>
          <div class="btns">
            <a class="btn" href="events">
              To the events
            </a>
            <a class="btn btn--bare" href="audit">
              Look in the audit
            </a>
          </div>
        </Empty>
      </Untitled>
    </>
  )
}
