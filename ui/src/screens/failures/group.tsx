import type { JSX } from 'preact'
import { useId, useState } from 'preact/hooks'
import { act } from '../../api/act.ts'
import { now } from '../../api/clock.ts'
import { inAddress } from '../../api/filter-address.ts'
import { status } from '../../api/live.ts'
import { move, resultText } from '../../api/moves.ts'
import type { ActionName, FailureGroup } from '../../api/types.ts'
import { Bulk } from '../../parts/bulk.tsx'
import { DoButton } from '../../parts/do-button.tsx'
import { Sign } from '../../parts/state.tsx'
import { Age } from '../../parts/time.tsx'
import { say } from '../../parts/toasts.tsx'
import { address, go } from '../../place/place.ts'
import { backendState } from '../../words/backend-state.ts'
import { durationText } from '../../words/duration.ts'
import { countText, manyText } from '../../words/number.ts'
import { addressOfEvent } from '../events/event-table.tsx'

/** Fewer than this are moved at once; more are counted, confirmed and watched. */
const FEW = 100

interface Props {
  readonly group: FailureGroup
  readonly again: () => void
}

/** Failed events with one cause: what it says, whether it still happens, what it holds up, and the moves for all of them. */
export function Group({ group, again }: Props): JSX.Element {
  const heading = useId()
  const [asking, setAsking] = useState<ActionName>()
  const { pattern, code, backend, count, more, keys, blockedKeys, types, first, last, sampleId, q } = group
  const many = countText({ count, more })
  const run = async (name: ActionName): Promise<void> => {
    if (more || count >= FEW || name === 'cancel') return setAsking(name)
    await act(`The ${name}`, async () => resultText(name, await move(name, { q })))
    again()
  }
  return (
    <article class="group" aria-labelledby={heading}>
      <p class="count">
        <span class="n">{many}</span>
        {count === 1 && !more ? 'event' : 'events'}
      </p>
      <div>
        <h3 class="fp" id={heading}>
          <Pattern text={pattern} />
        </h3>
        <div class="facts">
          <Happening group={group} />
          {code === null ? null : (
            <span>
              <code>{code}</code>
            </span>
          )}
          <span>
            on <a href={`backends#${encodeURIComponent(backend)}`}>{backend}</a>
          </span>
          <span class="break">
            {types.slice(0, 3).join(', ')}
            {types.length > 3 ? ` and ${types.length - 3} more` : ''}
          </span>
          {blockedKeys > 0 ? (
            <Sign icon="blocked" tone="held" href="keys">
              blocks {manyText(blockedKeys, 'key')}
            </Sign>
          ) : (
            <span class="quiet">{keys === 0 ? 'no keys' : 'blocks no key'}</span>
          )}
        </div>
        <div class="btns">
          <a class="btn" href={addressOfEvent(sampleId)}>
            See the latest
          </a>
          <button type="button" class="btn" onClick={() => void goToEvents(q)}>
            See all {many}
          </button>
          <DoButton icon="requeue" onDo={() => void run('requeue')}>
            Requeue {many}
            {more || count >= FEW ? '…' : ''}
          </DoButton>
          {blockedKeys > 0 ? (
            <DoButton icon="skip" onDo={() => void run('skip')}>
              Skip {many}
              {more || count >= FEW ? '…' : ''}
            </DoButton>
          ) : null}
          <DoButton kind="bare" onDo={() => void run('cancel')}>
            Cancel {many}…
          </DoButton>
        </div>
      </div>
      <div class="right">
        <p class="small soft">
          first <Age at={first} ago />
        </p>
        <p class="small soft">
          last <Age at={last} ago />
        </p>
      </div>
      {asking === undefined ? null : (
        <Bulk
          name={asking}
          target={{ q }}
          onClose={() => setAsking(undefined)}
          onDone={(text, undo) => {
            setAsking(undefined)
            say({ text, action: undo })
            again()
          }}
        />
      )}
    </article>
  )
}

/** The filter of a group has the text of its error, which no address shows. */
const goToEvents = (q: string): Promise<boolean> =>
  act('The list', async () => {
    go(address(['events'], { q: await inAddress(q) }))
    return undefined
  })

/** Before a requeue: whether the cause is mended. */
function Happening({ group: { state, last, backend } }: { readonly group: FailureGroup }): JSX.Element {
  if (state === 'still')
    return (
      <Sign icon="failed" tone="bad">
        Still happening
      </Sign>
    )
  if (state === 'stopped')
    return (
      <Sign icon="ok" tone="ok">
        Quiet for {durationText(now.value - Date.parse(last))}
      </Sign>
    )
  const one = status.value?.backends.find((it) => it.backend === backend)
  const why =
    one === undefined
      ? ''
      : { down: `: ${backend} is down`, paused: `: ${backend} is paused`, slow: '', flowing: '' }[backendState(one)]
  return (
    <Sign icon="waits" tone="plain">
      Cannot tell{why}
    </Sign>
  )
}

/** The error, with what was taken out marked as such. */
function Pattern({ text }: { readonly text: string }): JSX.Element {
  return (
    <>
      {text
        .split(/(<\w+>)/)
        .map((part, index) => (index % 2 === 1 ? <i key={`${index} ${part}`}>{part.slice(1, -1)}</i> : part))}
    </>
  )
}
