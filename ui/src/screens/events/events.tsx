import type { JSX } from 'preact'
import { useEffect, useId, useState } from 'preact/hooks'
import { status } from '../../api/live.ts'
import type { CountAnswer, EventsAnswer } from '../../api/types.ts'
import { useAsk } from '../../api/use-ask.ts'
import { Answered } from '../../parts/asked.tsx'
import { FilterBox } from '../../parts/filter-box.tsx'
import { isMistake } from '../../parts/filter-mistake.tsx'
import { Icon } from '../../parts/icon.tsx'
import { SearchedSoFar } from '../../parts/searched.tsx'
import { addressWith, go, place } from '../../place/place.ts'
import { useTitle } from '../../place/title.ts'
import { manyText } from '../../words/number.ts'
import { BulkBar } from './bulk-bar.tsx'
import { ColumnChooser } from './column-chooser.tsx'
import { EventTable } from './event-table.tsx'
import { rememberList } from './last-list.ts'
import { NoEvents } from './no-events.tsx'
import { ReadyMadeTabs } from './ready-made.tsx'
import { useNewer } from './use-newer.ts'

const NONE: ReadonlySet<string> = new Set()

export function Events(): JSX.Element {
  const { query } = place.value
  const q = query.get('q') ?? ''
  const order = query.get('order') ?? '-created'
  const after = query.get('after') ?? ''
  const asked = useAsk<EventsAnswer>('events', { q, order, after, limit: 50 })
  const counted = useAsk<CountAnswer>(asked.problem === undefined ? 'events/count' : undefined, { q })
  const [chosen, setChosen] = useState(NONE)
  const [isAll, setIsAll] = useState(false)
  const heading = useId()
  const newer = useNewer(after === '' && order === '-created' ? asked.answer?.events[0]?.id : undefined, q)
  useTitle('Events')
  const choose = (next: ReadonlySet<string>): void => {
    setChosen(next)
    setIsAll(false)
  }
  const page = `${q} ${order} ${after}`
  // Other rows are another choice.
  useEffect(() => {
    setChosen(NONE)
    setIsAll(false)
  }, [page])
  const shown = asked.answer?.events
  useEffect(() => {
    if (shown !== undefined)
      rememberList(
        q,
        shown.map(({ id }) => id),
      )
  }, [shown, q])
  const again = (): void => {
    asked.again()
    counted.again()
  }
  const many = counted.answer === undefined ? undefined : manyText(counted.answer, 'event')
  const mistake = isMistake(asked.problem) ? asked.problem : undefined
  const isOldest = order === 'created'
  return (
    <>
      <div class="head">
        <h1>Events</h1>
      </div>
      <div class="stack">
        <ReadyMadeTabs q={q} />
        <FilterBox
          q={q}
          placeholder={'status:failed  type:order.*  backend:…  created:<1h'}
          problem={mistake}
          onFilter={(next) => go(addressWith({ q: next, after: undefined }))}
        />
        {mistake !== undefined ? null : (
          <section class="panel" aria-labelledby={heading}>
            <header>
              <h2 id={heading} aria-live="polite">
                {many ?? 'Events that match'}
              </h2>
              {asked.answer === undefined || counted.answer === undefined ? null : (
                <p>
                  {counted.answer.searched === undefined
                    ? counted.answer.more
                      ? 'counting stops there'
                      : 'counted exactly'
                    : 'among those looked at'}
                </p>
              )}
              <span class="grow" />
              <button type="button" class="btn btn--bare btn--small" onClick={again} title="Ask again">
                <Icon name="requeue" />
                Refresh
              </button>
              <button
                type="button"
                class="btn btn--bare btn--small hide-s"
                onClick={() => go(addressWith({ order: isOldest ? undefined : 'created', after: undefined }))}
              >
                {isOldest ? 'Oldest first' : 'Newest first'}
                <Icon name="open" />
              </button>
              <ColumnChooser />
            </header>
            {newer ? (
              <div class="newer">
                <button type="button" class="btn btn--bare btn--small" onClick={again}>
                  Newer events match: show them
                </button>
              </div>
            ) : null}
            <Answered asked={asked} what="events" lines={10}>
              {(answer) => (
                <>
                  {answer.searched === undefined ? null : (
                    <SearchedSoFar
                      searched={answer.searched}
                      found={answer.events.length}
                      what="event"
                      onGoOn={(from) => go(addressWith({ after: from }))}
                    />
                  )}
                  {answer.events.length === 0 ? (
                    answer.searched === undefined || answer.searched.goOn === null ? (
                      <NoEvents q={q} isNew={status.value?.totalRows === 0} />
                    ) : null
                  ) : (
                    <EventTable events={answer.events} chosen={chosen} labelledBy={heading} q={q} onChoose={choose} />
                  )}
                  {answer.next === null && answer.previous === null ? null : <Pages answer={answer} />}
                </>
              )}
            </Answered>
          </section>
        )}
        <BulkBar
          events={asked.answer?.events ?? []}
          chosen={chosen}
          isAll={isAll}
          q={q}
          matching={counted.answer === undefined ? '' : manyText(counted.answer, 'event').replace(/ events?$/, '')}
          onAll={() => setIsAll(true)}
          onClear={() => choose(NONE)}
          onDone={() => {
            choose(NONE)
            again()
          }}
        />
      </div>
    </>
  )
}

function Pages({ answer }: { readonly answer: EventsAnswer }): JSX.Element {
  return (
    <footer>
      <span class="quiet">{manyText(answer.events.length, 'event')} on this page</span>
      <span class="grow" />
      <nav class="btns" aria-label="Pages">
        <PageLink to={answer.previous} what="before" />
        <PageLink to={answer.next} what="after" />
      </nav>
    </footer>
  )
}

function PageLink({ to, what }: { readonly to: string | null; readonly what: 'before' | 'after' }): JSX.Element {
  const inner =
    what === 'before' ? (
      <>
        <Icon name="before" />
        Previous page
      </>
    ) : (
      <>
        Next page
        <Icon name="after" />
      </>
    )
  if (to === null)
    return (
      <button type="button" class="btn" disabled>
        {inner}
      </button>
    )
  return (
    <a class="btn" href={addressWith({ after: to })}>
      {inner}
    </a>
  )
}
