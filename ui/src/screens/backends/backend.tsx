import type { ComponentChildren, JSX } from 'preact'
import { databaseNow } from '../../api/clock.ts'
import type { BackendRow, BreakerJson } from '../../api/types.ts'
import { Call } from '../../parts/call.tsx'
import { Figures, Many, Nothing } from '../../parts/number.tsx'
import { Sign, State } from '../../parts/state.tsx'
import { Since, Time, Until } from '../../parts/time.tsx'
import { address } from '../../place/place.ts'
import type { BackendState } from '../../words/backend-state.ts'
import { durationText } from '../../words/duration.ts'
import { countText, manyText } from '../../words/number.ts'
import { CloseBreaker, Pause, Resume, TestEvent } from './backend-actions.tsx'
import { Outages } from './outages.tsx'

interface Props {
  readonly row: BackendRow
  readonly state: BackendState
  /** The database's time of the answer. */
  readonly at: string | null
  readonly again: () => void
}

export function Backend({ row, state, at, again }: Props): JSX.Element {
  const { name, description, configured, breaker, destinations, paused, counts, routes, health } = row
  const time = at === null ? databaseNow() : Date.parse(at)
  const [kind = '', ...place] = (description ?? '').split(' ')
  const list = (more: string): string => address(['events'], { q: `backend:${name} ${more}` })
  return (
    <article class="be" aria-labelledby={name}>
      <div class="be-head">
        <h2 id={name}>{name}</h2>
        <State name={state} pill />
        {counts.blockedKeys.count === 0 ? null : (
          <Sign icon="blocked" tone="held" href="keys">
            {manyText(counts.blockedKeys, 'key')} blocked
          </Sign>
        )}
        <span class="quiet cut" title={description ?? undefined}>
          {configured ? kind : 'not configured here'}
          {place.length === 0 ? (
            ''
          ) : (
            <>
              {' '}
              · <span class="mono">{place.join(' ')}</span>
            </>
          )}
        </span>
        <span class="grow" />
        <div class="btns">
          <TestEvent backend={name} />
          {paused === null ? <Pause backend={name} onDone={again} /> : null}
        </div>
      </div>
      {paused === null ? null : (
        <Call
          tone="calm"
          icon="paused"
          level={3}
          title={
            <>
              Paused at <Time at={paused.at} /> by {paused.by} (<Since at={paused.at} /> ago)
            </>
          }
          buttons={<Resume backend={name} small onDone={again} />}
        >
          {paused.reason === '' ? 'No reason was given. ' : `“${paused.reason}”. `}
          {breaker === null
            ? `Resuming sends ${manyText(counts.waiting, 'event')} at once.`
            : 'Its breaker is open, too.'}
        </Call>
      )}
      {breaker === null ? null : (
        <Breaker name={name} breaker={breaker} time={time} waiting={countText(counts.waiting)} again={again} />
      )}
      {destinations.map((one) => (
        <Breaker key={one.destination} name={name} breaker={one} time={time} waiting="" again={again} />
      ))}
      <dl class="be-nums">
        <Figure name="Waiting">
          <Many of={counts.waiting} href={list('is:due')} />
        </Figure>
        <Figure name="Stuck">
          <Many of={counts.stuck} />
        </Figure>
        <Figure name="Lag">{counts.lag === null ? <Nothing /> : <Figures text={durationText(counts.lag)} />}</Figure>
        <Figure name="Not due yet">
          <Many of={counts.scheduled} href={`scheduled?backend=${encodeURIComponent(name)}`} />
        </Figure>
        <Figure name="Between retries">
          <Many of={counts.retrying} href={list('status:retry')} />
        </Figure>
        <Figure name="Failed">
          <Many of={counts.failed} href={list('status:failed')} />
        </Figure>
        <Figure name="Blocked keys">
          <Many of={counts.blockedKeys} href="keys" />
        </Figure>
      </dl>
      <Outages backend={name} state={state} />
      {routes === undefined && health === undefined ? null : (
        <details>
          <summary class="small soft">Routes and health</summary>
          <dl class="kv small">
            {routes === undefined ? null : (
              <>
                <dt>Routes</dt>
                <dd>
                  {routes.length === 0
                    ? 'none names it'
                    : routes.map((route, index) => (
                        <>
                          <code key={route}>{route}</code>
                          {index < routes.length - 1 ? ', ' : ''}
                        </>
                      ))}
                </dd>
              </>
            )}
            {health === undefined ? null : (
              <>
                <dt>Health</dt>
                <dd>
                  <State name={health.ok ? 'fine' : 'wrong'} text={health.detail} wraps />
                </dd>
              </>
            )}
          </dl>
        </details>
      )}
    </article>
  )
}

interface BreakerProps {
  readonly name: string
  readonly breaker: BreakerJson
  readonly time: number
  readonly waiting: string
  readonly again: () => void
}

function Breaker({ name, breaker, time, waiting, again }: BreakerProps): JSX.Element {
  const { destination, since, probeIn, error } = breaker
  const from = since === null ? undefined : time - since
  return (
    <Call
      tone={destination === '' ? 'bad' : 'warn'}
      icon="down"
      level={3}
      title={
        <>
          {destination === '' ? 'Breaker open' : `${destination} is down`}
          {from === undefined ? (
            ''
          ) : (
            <>
              {' '}
              since <Time at={from} /> (<Since at={from} />)
            </>
          )}
        </>
      }
      buttons={<CloseBreaker backend={name} small onDone={again} />}
    >
      <code class="break">{error || 'No reason was stored.'}</code>{' '}
      {waiting === '' ? 'Its events wait' : `Its ${waiting} events wait`} with their retries unspent. The next probe is
      due{' '}
      {probeIn <= 0 ? (
        'now'
      ) : (
        <>
          in <Until at={time + probeIn} />
        </>
      )}
      ; when one succeeds it catches up by itself.
    </Call>
  )
}

function Figure({ name, children }: { readonly name: string; readonly children: ComponentChildren }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}
