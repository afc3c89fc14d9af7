import type { ComponentChildren, JSX } from 'preact'
import { databaseNow } from '../../api/clock.ts'
import { status } from '../../api/live.ts'
import { Many, Nothing } from '../../parts/number.tsx'
import { Sign } from '../../parts/state.tsx'
import { Since, Time, Until } from '../../parts/time.tsx'
import { address } from '../../place/place.ts'
import { manyText } from '../../words/number.ts'
import { CloseBreaker, Resume } from '../backends/backend-actions.tsx'
import type { Trouble } from './troubles.ts'

/** One row for each trouble: what, how many, since when, why and what happens next, and what mends it. */
export function TroubleTable({ troubles }: { readonly troubles: readonly Trouble[] }): JSX.Element | null {
  if (troubles.length === 0) return null
  return (
    <section class="panel trouble" aria-labelledby="trouble">
      <h2 id="trouble" class="vh">
        What is the matter
      </h2>
      <table class="tbl tbl--stack" role="table">
        <thead role="rowgroup">
          <tr role="row">
            <th scope="col" role="columnheader">
              What
            </th>
            <th scope="col" role="columnheader" class="num">
              Stuck
            </th>
            <th scope="col" role="columnheader">
              Since
            </th>
            <th scope="col" role="columnheader">
              Why, and what happens next
            </th>
            <th scope="col" role="columnheader" class="act">
              Mend
            </th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          {troubles.map((trouble, index) => (
            <Row
              key={
                trouble.kind === 'finding' || trouble.kind === 'blocked'
                  ? `${trouble.kind} ${index}`
                  : trouble.backend.backend
              }
              trouble={trouble}
            />
          ))}
        </tbody>
      </table>
    </section>
  )
}

function Row({ trouble }: { readonly trouble: Trouble }): JSX.Element {
  const { what, sub, why, next, mend, href } = told(trouble)
  const at = Date.parse(status.value?.at ?? '') || databaseNow()
  return (
    <tr role="row">
      <th scope="row" role="rowheader">
        {what}
        {sub === undefined ? null : <span class="sub">{sub}</span>}
      </th>
      <td role="cell" class="num" data-h="Stuck:">
        {href === undefined ? (
          <Nothing />
        ) : (
          <span class="big">
            <Many of={trouble.stuck} href={href} />
          </span>
        )}
      </td>
      <td role="cell" class="nowrap" data-h="Since:">
        {trouble.lasts === null ? (
          <Nothing />
        ) : (
          <>
            <Time at={at - trouble.lasts} />
            <span class="sub">
              <Since at={at - trouble.lasts} />
            </span>
          </>
        )}
      </td>
      <td role="cell" class="break">
        {why}
        {next === undefined ? null : <span class="sub">{next}</span>}
      </td>
      <td role="cell" class="act">
        <div class="btns">{mend}</div>
      </td>
    </tr>
  )
}

interface Told {
  readonly what: JSX.Element
  readonly sub?: ComponentChildren
  readonly why: ComponentChildren
  readonly next?: ComponentChildren
  readonly mend?: ComponentChildren
  readonly href?: string
}

function told(trouble: Trouble): Told {
  if (trouble.kind === 'finding') {
    return {
      what: (
        <Sign icon="wrong" tone="bad" wraps>
          <span class="what">{trouble.message}</span>
        </Sign>
      ),
      why: trouble.cure ?? '',
      next: (
        <>
          <b>Waits for you:</b> nothing happens by itself.
        </>
      ),
      mend: (
        <a class="btn" href="storage#doctor">
          See all findings
        </a>
      ),
    }
  }
  if (trouble.kind === 'blocked') {
    const one = trouble.keys.count === 1
    return {
      what: (
        <Sign icon="blocked" tone="held">
          <span class="what">
            <a href="keys">{manyText(trouble.keys, 'key')}</a> {one ? 'is' : 'are'} blocked
          </span>
        </Sign>
      ),
      sub: trouble.backends.length === 1 ? `on ${trouble.backends[0]}` : `on ${trouble.backends.length} backends`,
      why: one
        ? 'An event of it failed for good; later ones wait behind it'
        : 'An event of each failed for good; later ones wait behind it',
      next: (
        <>
          <b>Waits for you:</b> mend the cause, then requeue or skip.
        </>
      ),
      mend: (
        <a class="btn btn--main" href="failures">
          See why they failed
        </a>
      ),
      href: 'keys',
    }
  }
  const { backend, paused, description, openBreakers } = trouble.backend
  const link = <a href={`backends#${encodeURIComponent(backend)}`}>{backend}</a>
  const href = address(['events'], { q: `backend:${backend} is:due` })
  if (trouble.kind === 'paused') {
    return {
      what: (
        <Sign icon="paused" tone="calm">
          <span class="what">{link} is paused</span>
        </Sign>
      ),
      sub: description,
      why: `Paused by ${paused?.by ?? 'an operator'}${paused?.reason ? `: “${paused.reason}”` : ''}`,
      next: (
        <>
          <b>Waits for you:</b> stays paused until it is resumed.
        </>
      ),
      mend: <Resume backend={backend} kind="main" />,
      href,
    }
  }
  const at = Date.parse(status.value?.at ?? '') || databaseNow()
  const next = openBreakers.toSorted((a, b) => a.probeIn - b.probeIn)[0]
  const places = openBreakers.filter(({ destination }) => destination !== '')
  return {
    what: (
      <Sign icon={trouble.kind === 'down' ? 'down' : 'wrong'} tone={trouble.kind === 'down' ? 'bad' : 'warn'}>
        <span class="what">
          {link} {trouble.kind === 'down' ? 'is down' : `does not reach ${manyText(places.length, 'place')}`}
        </span>
      </Sign>
    ),
    sub: trouble.kind === 'down' ? description : places.map(({ destination }) => destination).join(', '),
    why: <code>{next?.error || 'no reason was stored'}</code>,
    next: (
      <>
        <b>Goes on by itself</b> once a probe succeeds, the next{' '}
        {next === undefined || next.probeIn <= 0 ? (
          'now'
        ) : (
          <>
            in <Until at={at + next.probeIn} />
          </>
        )}
        . No retry is used up.
      </>
    ),
    mend: <CloseBreaker backend={backend} />,
    href,
  }
}
