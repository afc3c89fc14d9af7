import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { post } from '../../api/ask.ts'
import { useFilterText } from '../../api/filter-address.ts'
import { dryRun } from '../../api/moves.ts'
import { asProblem, type Problem } from '../../api/problem.ts'
import { has } from '../../api/session.ts'
import type { ActionName, BackendsAnswer, DryRunAnswer, OperationBody, OperationRow } from '../../api/types.ts'
import { useAsk } from '../../api/use-ask.ts'
import { Broken, NotThere } from '../../parts/asked.tsx'
import { FilterBox } from '../../parts/filter-box.tsx'
import { isMistake } from '../../parts/filter-mistake.tsx'
import { Icon } from '../../parts/icon.tsx'
import { Panel, Untitled } from '../../parts/panel.tsx'
import { addressWith, go, place } from '../../place/place.ts'
import { useTitle } from '../../place/title.ts'
import { manyText } from '../../words/number.ts'
import { DryRun } from './dry-run.tsx'
import { CHOICES, isChoice, WhatToDo } from './what-to-do.tsx'
import { WizardConfirm } from './wizard-confirm.tsx'

/** A new operation in four steps: which events, what to do, a dry run, and the number to confirm it with. */
export function Wizard(): JSX.Element {
  const { query } = place.value
  const q = query.get('q') ?? ''
  const asked = query.get('do') ?? ''
  const name: ActionName = isChoice(asked) ? asked : 'requeue'
  const [rate, setRate] = useState('')
  const [to, setTo] = useState('')
  const backends = useAsk<BackendsAnswer>('backends')
  const [found, setFound] = useState<DryRunAnswer>()
  const [problem, setProblem] = useState<Problem>()
  const text = useFilterText(q)
  useTitle('New operation')

  const question = `${name} ${q}`
  // Another question: the last dry run says nothing of it.
  useEffect(() => {
    setFound(undefined)
    setProblem(undefined)
  }, [question])

  const count = async (): Promise<void> => {
    setProblem(undefined)
    setFound(undefined)
    try {
      setFound(await dryRun(name, { q }))
    } catch (thrown) {
      setProblem(asProblem(thrown))
    }
  }
  const start = async (reason: string): Promise<void> => {
    const body: OperationBody = {
      do: name,
      q,
      ...(rate === '' ? {} : { rate: Number(rate) }),
      ...(name === 'replay' && to !== '' ? { to } : {}),
      ...(reason === '' ? {} : { reason }),
    }
    try {
      const { id } = await post<OperationRow>('operations', body)
      go(`operations/${id}`)
    } catch (thrown) {
      setProblem(asProblem(thrown))
    }
  }
  if (!has('operations')) {
    return (
      <>
        <h1 class="vh">New operation</h1>
        <Untitled label="Operations">
          <NotThere what="operations" />
        </Untitled>
      </>
    )
  }
  const mistake = isMistake(problem) ? problem : undefined
  return (
    <>
      <div>
        <nav class="crumb" aria-label="Where you are">
          <a href="operations">Operations</a>
          <Icon name="after" />
          <span>New</span>
        </nav>
        <h1>New operation: {CHOICES[name].title.toLowerCase()}</h1>
      </div>
      <div class="cols cols--side">
        <Panel title="In four steps" padded>
          <ol class="steps">
            <li class={found === undefined ? 'now' : 'done'}>
              <div>
                <h3>Which events</h3>
                <FilterBox
                  q={q}
                  placeholder="status:failed backend:…"
                  problem={mistake}
                  onFilter={(next) => go(addressWith({ q: next }), { replace: true })}
                />
                <p class="small quiet">
                  {q === '' ? 'No filter: all events whose status allows it.' : <code class="break">{text}</code>}
                </p>
              </div>
            </li>
            <li class={found === undefined ? 'now' : 'done'}>
              <div>
                <h3>What to do</h3>
                <WhatToDo
                  name={name}
                  rate={rate}
                  to={to}
                  backends={backends.answer?.backends.filter((one) => one.configured).map((one) => one.name) ?? []}
                  onTo={setTo}
                  onName={(next) => go(addressWith({ do: next }), { replace: true })}
                  onRate={setRate}
                />
              </div>
            </li>
            <li class={found === undefined ? '' : 'now'}>
              <div>
                <h3>
                  {found === undefined
                    ? 'Dry run'
                    : `Dry run: ${manyText(found, 'event')} ${found.count === 1 && !found.more ? 'matches' : 'match'}`}
                </h3>
                {problem === undefined || mistake !== undefined ? null : (
                  <Broken problem={problem} what="what matches" again={() => void count()} />
                )}
                {found === undefined ? (
                  <div class="btns">
                    <button type="button" class="btn btn--main" onClick={() => void count()}>
                      Count what matches
                    </button>
                    <span class="quiet small">Nothing is changed.</span>
                  </div>
                ) : (
                  <DryRun found={found} rate={rate === '' ? null : Number(rate)} canUndo={CHOICES[name].canUndo} />
                )}
              </div>
            </li>
            <li class={found === undefined ? '' : 'now'}>
              <div>
                <h3 class={found === undefined ? 'wait' : ''}>Confirm</h3>
                {found === undefined ? null : (
                  <WizardConfirm
                    name={name}
                    found={found}
                    onCount={() => void count()}
                    onStart={(reason) => void start(reason)}
                  />
                )}
              </div>
            </li>
          </ol>
        </Panel>
        <Panel title="What can be undone" padded>
          <dl class="kv">
            {Object.values(CHOICES).map(({ title, canUndo }) => (
              <>
                <dt key={`${title} name`}>{title}</dt>
                <dd key={title}>{canUndo}</dd>
              </>
            ))}
          </dl>
        </Panel>
      </div>
    </>
  )
}
