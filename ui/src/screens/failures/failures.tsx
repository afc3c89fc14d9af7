import type { JSX } from 'preact'
import { useId } from 'preact/hooks'
import { status } from '../../api/live.ts'
import type { FailureGroup, FailuresAnswer } from '../../api/types.ts'
import { useAsk } from '../../api/use-ask.ts'
import { Answered } from '../../parts/asked.tsx'
import { Empty } from '../../parts/empty.tsx'
import { FilterBox } from '../../parts/filter-box.tsx'
import { isMistake } from '../../parts/filter-mistake.tsx'
import { Head, Untitled } from '../../parts/panel.tsx'
import { SearchedSoFar } from '../../parts/searched.tsx'
import { addressWith, go, place } from '../../place/place.ts'
import { useTitle } from '../../place/title.ts'
import { manyText, sumOf } from '../../words/number.ts'
import { Group } from './group.tsx'

export function Failures(): JSX.Element {
  const q = place.value.query.get('q') ?? ''
  const asked = useAsk<FailuresAnswer>('failures', { q })
  const mistake = isMistake(asked.problem) ? asked.problem : undefined
  const groups = asked.answer?.groups
  const failed = groups === undefined ? undefined : sumOf(groups)
  const title =
    failed === undefined || groups === undefined
      ? 'Failures'
      : failed.count === 0
        ? 'No failed event'
        : `${manyText(failed, 'failed event')}, ${manyText(groups.length, 'cause')}`
  useTitle(title)
  return (
    <>
      <Head
        title={title}
        text="Grouped by error, with numbers, ids and quoted values taken out. Fix the cause, then requeue the group: a requeue sends again and gives all retries back."
      >
        <a class="btn" href="events?q=status:failed">
          All failed events
        </a>
      </Head>
      <FilterBox
        q={q}
        placeholder={'backend:…  type:order.*  error:"…"  created:<1h'}
        problem={mistake}
        onFilter={(next) => go(addressWith({ q: next }))}
      />
      {mistake !== undefined ? null : groups !== undefined && groups.length > 0 && asked.problem === undefined ? (
        <Groups answer={asked.answer as FailuresAnswer} again={asked.againSoon} />
      ) : (
        <Untitled label="Failures">
          <Answered asked={asked} what="the failures" lines={8}>
            {(answer) =>
              answer.groups.length === 0 ? <NoFailures q={q} /> : <Groups answer={answer} again={asked.againSoon} />
            }
          </Answered>
        </Untitled>
      )}
    </>
  )
}

function Groups({ answer, again }: { readonly answer: FailuresAnswer; readonly again: () => void }): JSX.Element {
  const { groups, searched } = answer
  return (
    <>
      {searched.goOn === null ? null : <SearchedSoFar searched={searched} found={groups.length} what="cause" />}
      <Part
        title="Still happening"
        note="seen in the last minutes: a requeue would fail again"
        groups={groups.filter(({ state }) => state === 'still')}
        again={again}
      />
      <Part
        title="Stopped"
        note="others went through since: the cause may be fixed"
        groups={groups.filter(({ state }) => state === 'stopped')}
        again={again}
      />
      <Part
        title="Cannot tell"
        note="nothing is being sent there now"
        groups={groups.filter(({ state }) => state === 'unknown')}
        again={again}
      />
    </>
  )
}

interface PartProps {
  readonly title: string
  readonly note: string
  readonly groups: readonly FailureGroup[]
  readonly again: () => void
}

function Part({ title, note, groups, again }: PartProps): JSX.Element | null {
  const heading = useId()
  if (groups.length === 0) return null
  return (
    <section class="panel" aria-labelledby={heading}>
      <header>
        <h2 id={heading}>{title}</h2>
        <p>{note}</p>
      </header>
      {groups.map((group) => (
        <Group key={`${group.fingerprint} ${group.backend}`} group={group} again={again} />
      ))}
    </section>
  )
}

function NoFailures({ q }: { readonly q: string }): JSX.Element {
  const retrying = status.value === undefined ? undefined : sumOf(status.value.backends.map((one) => one.retrying))
  if (q !== '') {
    return (
      <Empty icon="find" title="No failure matches">
        <a class="btn" href="failures">
          Clear the filter
        </a>
      </Empty>
    )
  }
  return (
    <Empty title="No event has failed">
      {retrying === undefined || retrying.count === 0 ? (
        <p>None is between retries either.</p>
      ) : (
        <p>
          {manyText(retrying, 'event')} {retrying.count === 1 ? 'is' : 'are'} between retries and go on by themselves.{' '}
          <a href="events?q=status:retry">See them</a>
        </p>
      )}
    </Empty>
  )
}
