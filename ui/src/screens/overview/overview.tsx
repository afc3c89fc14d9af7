import type { JSX } from 'preact'
import { now } from '../../api/clock.ts'
import { askOnce, live, status, statusAt, statusProblem } from '../../api/live.ts'
import { has } from '../../api/session.ts'
import type { FindingsAnswer, FlowAnswer, Status } from '../../api/types.ts'
import { useAsk } from '../../api/use-ask.ts'
import { Bones } from '../../parts/asked.tsx'
import { Empty } from '../../parts/empty.tsx'
import { Icon } from '../../parts/icon.tsx'
import { Untitled } from '../../parts/panel.tsx'
import { place } from '../../place/place.ts'
import { useTitle } from '../../place/title.ts'
import { durationText } from '../../words/duration.ts'
import { allFindings } from './all-findings.ts'
import { BackendTable } from './backend-table.tsx'
import { Flow } from './flow.tsx'
import { Rates, rangeOf } from './rates.tsx'
import { Findings, Running, Workers } from './side-panels.tsx'
import { TroubleTable } from './trouble-table.tsx'
import { troublesOf, verdictOf } from './troubles.ts'

/** Between two questions for the rates, in milliseconds: workers write them down as often. */
const RATES_EVERY = 15_000

/** Between two questions for what only a thorough look finds, in milliseconds: the server looks as often. */
const FINDINGS_EVERY = 60_000

/** Older than this, numbers cannot carry a verdict, in milliseconds. */
const TOO_OLD = 15_000

export function Overview(): JSX.Element {
  const one = status.value
  const problem = statusProblem.value
  if (one === undefined && problem !== undefined) return <NoDatabase />
  if (one === undefined) return <Waiting />
  return <Known status={one} />
}

function Known({ status }: { readonly status: Status }): JSX.Element {
  const thorough = useAsk<FindingsAnswer>('findings', {}, FINDINGS_EVERY)
  const one = allFindings(status, thorough.answer?.findings)
  const troubles = troublesOf(one)
  const { isWell, title, text } = verdictOf(one, troubles)
  const range = rangeOf(place.value.query.get('range'))
  const rates = useAsk<FlowAnswer>(has('rates') ? 'flow' : undefined, { range }, RATES_EVERY)
  void now.value
  const age = performance.now() - statusAt.value
  const isOld = age > TOO_OLD && (statusProblem.value !== undefined || live.value === 'lost')
  useTitle(isOld ? 'Cannot tell' : title)
  return (
    <>
      <section aria-label="The verdict" class={`verdict verdict--${isOld ? 'old' : isWell ? 'ok' : 'bad'}`}>
        <Icon name={isOld ? 'waits' : isWell ? 'ok' : 'wrong'} />
        <div aria-live="polite">
          <h1>{isOld ? 'Cannot tell how it is now' : title}</h1>
          <p>{isOld ? `The last numbers are ${durationText(age)} old: “${title}”. They are below.` : text}</p>
        </div>
      </section>
      <TroubleTable troubles={troubles} />
      {has('rates') ? <Rates asked={rates} range={range} /> : null}
      <Flow status={one} />
      <BackendTable status={one} lately={rates.answer?.lately} />
      <div class="cols cols--2">
        <Workers status={one} />
        <div class="stack">
          <Running status={one} />
          <Findings status={one} />
        </div>
      </div>
    </>
  )
}

function Waiting(): JSX.Element {
  useTitle('Overview')
  return (
    <>
      <h1 class="vh">Overview</h1>
      <Untitled label="Loading">
        <Bones what="the state of the outbox" lines={8} />
      </Untitled>
    </>
  )
}

/** Delivery is told apart from the view. */
function NoDatabase(): JSX.Element {
  useTitle('The outbox could not be read')
  const problem = statusProblem.value
  return (
    <>
      <h1 class="vh">The outbox could not be read</h1>
      <Untitled label="Why, and what to do">
        <Empty icon="storage" title="The outbox could not be read">
          <p role="alert">
            <code>{problem?.code}</code> {problem?.message}
          </p>
          <p>Workers wait and go on by themselves; nothing is lost.</p>
          <button type="button" class="btn" onClick={() => void askOnce()}>
            Try again
          </button>
        </Empty>
      </Untitled>
    </>
  )
}
