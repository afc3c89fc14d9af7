import type { JSX } from 'preact'
import { now } from '../../api/clock.ts'
import type { EventAnswer } from '../../api/types.ts'
import { Icon } from '../../parts/icon.tsx'
import { Panel } from '../../parts/panel.tsx'
import { Since, Time } from '../../parts/time.tsx'
import { durationText } from '../../words/duration.ts'
import { zoneName } from '../../words/time.ts'
import { nextOf, storyOf } from './story.ts'

export function TimeLine({ answer }: { readonly answer: EventAnswer }): JSX.Element {
  const steps = storyOf(answer)
  const next = nextOf(answer, now.value)
  const last = steps.at(-1)
  return (
    <Panel title="What happened" end={<p>The database’s time, shown for {zoneName()}</p>} padded>
      <ol class="line">
        {steps.map((step, index) => {
          const before = steps[index - 1]
          return (
            <li key={`${step.at} ${step.title}`}>
              <span class={`pt pt--${step.tone}`}>
                <Icon name={step.icon} />
              </span>
              <div>
                <h3>{step.title}</h3>
                {step.text === undefined ? null : <p>{step.text}</p>}
                {step.error === undefined ? null : (
                  <p>
                    <code>{step.error}</code>
                  </p>
                )}
                {step.note === undefined ? null : <p class="gap">{step.note}</p>}
              </div>
              <span class="when">
                <Time at={step.at} />
                {before === undefined ? null : (
                  <>
                    <br />
                    {durationText(Date.parse(step.at) - Date.parse(before.at), { ms: true })} later
                  </>
                )}
              </span>
            </li>
          )
        })}
        {next === undefined ? null : (
          <li>
            <span class={`pt pt--${next.tone}`}>
              <Icon name={next.icon} />
            </span>
            <div>
              <h3>{next.title}</h3>
              <p>{next.text}</p>
            </div>
            <span class="when">
              {last === undefined ? null : (
                <>
                  <Since at={last.at} /> <br />
                  so far
                </>
              )}
            </span>
          </li>
        )}
      </ol>
    </Panel>
  )
}
