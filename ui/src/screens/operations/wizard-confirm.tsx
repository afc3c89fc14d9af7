import type { JSX } from 'preact'
import { useId, useState } from 'preact/hooks'
import { VERBS } from '../../api/moves.ts'
import { may } from '../../api/session.ts'
import type { ActionName, DryRunAnswer } from '../../api/types.ts'
import { manyText } from '../../words/number.ts'

interface Props {
  readonly name: ActionName
  readonly found: DryRunAnswer
  readonly onCount: () => void
  readonly onStart: (reason: string) => void
}

/** The number that was counted must be typed: whoever mistook the filter sees it here. */
export function WizardConfirm({ name, found, onCount, onStart }: Props): JSX.Element {
  const [typed, setTyped] = useState('')
  const [reason, setReason] = useState('')
  const ids = { word: useId(), why: useId(), not: useId() }
  const word = String(found.count)
  const role = name === 'delete' ? 'admin' : 'operator'
  const whyNot = !may(role) ? `needs the role ${role}` : found.count === 0 ? 'nothing matches' : undefined
  const isReady = whyNot === undefined && typed.replace(/[\s.,’'+]/g, '') === word
  return (
    <form
      class="stack stack--tight"
      onSubmit={(event) => {
        event.preventDefault()
        if (isReady) onStart(reason)
      }}
    >
      <div class="field">
        <label for={ids.word}>
          To {VERBS[name][0].toLowerCase()} these {manyText(found, 'event')}, type <b>{word}</b>
        </label>
        <input
          class="input"
          id={ids.word}
          inputMode="numeric"
          autocomplete="off"
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
      </div>
      <div class="field">
        <label for={ids.why}>Why (for the audit)</label>
        <input
          class="input"
          id={ids.why}
          autocomplete="off"
          value={reason}
          onInput={(event) => setReason(event.currentTarget.value)}
        />
      </div>
      <div class="btns">
        <button
          class={`btn ${name === 'delete' ? 'btn--bad' : 'btn--main'}`}
          type="submit"
          disabled={!isReady}
          aria-describedby={whyNot === undefined ? undefined : ids.not}
        >
          {VERBS[name][0]} {manyText(found, 'event')}
        </button>
        <button class="btn" type="button" onClick={onCount}>
          Count again
        </button>
        <a class="btn btn--bare" href="operations">
          Leave it
        </a>
        {whyNot === undefined ? null : (
          <span class="small quiet" id={ids.not}>
            {whyNot}
          </span>
        )}
      </div>
    </form>
  )
}
