import type { JSX } from 'preact'
import { useId, useState } from 'preact/hooks'
import { postText } from '../../api/ask.ts'
import { asProblem, type Problem } from '../../api/problem.ts'
import type { CorrectAnswer, EventDetail } from '../../api/types.ts'
import { Call } from '../../parts/call.tsx'
import { Dialog } from '../../parts/dialog.tsx'

interface Props {
  readonly event: EventDetail
  readonly onClose: () => void
  readonly onDone: (id: string) => void
}

/**
 * The body of a correction. Data goes as the text that was typed: a number read here would lose digits. Pure.
 */
export function bodyOf(changes: Readonly<Record<string, string>>, data: string | undefined): string {
  const members = Object.entries(changes).map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
  return `{${[...members, ...(data === undefined ? [] : [`"data":${data}`])].join(',')}}`
}

/** Why a text is no JSON; undefined = it is. Pure. */
export function mistakeIn(text: string): string | undefined {
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** A corrected event in the place of one that was not delivered. Data that is masked, hidden or binary stays as it is. */
export function Correct({ event, onClose, onDone }: Props): JSX.Element {
  const { id, type, subject, dataText, masked } = event
  const canEdit = dataText !== null && masked.length === 0
  const [changed, setChanged] = useState({ type, subject, data: dataText ?? '', reason: '' })
  const [problem, setProblem] = useState<Problem>()
  const [busy, setBusy] = useState(false)
  const ids = { type: useId(), subject: useId(), data: useId(), reason: useId(), mistake: useId() }
  const mistake = canEdit ? mistakeIn(changed.data) : undefined
  const set =
    (name: keyof typeof changed) =>
    ({ currentTarget }: { readonly currentTarget: { readonly value: string } }): void =>
      setChanged({ ...changed, [name]: currentTarget.value })
  const run = async (): Promise<void> => {
    setBusy(true)
    setProblem(undefined)
    const changes = {
      ...(changed.type !== type && { type: changed.type }),
      ...(changed.subject !== subject && { subject: changed.subject }),
      ...(changed.reason !== '' && { reason: changed.reason }),
    }
    const data = canEdit && changed.data !== dataText ? changed.data : undefined
    try {
      const answer = await postText<CorrectAnswer>(`events/${id}/correct`, bodyOf(changes, data))
      onDone(answer.id)
    } catch (thrown) {
      setProblem(asProblem(thrown))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog title="Correct this event" onClose={onClose}>
      <p class="soft">A new event with what you change here takes its place in its key; this one is cancelled.</p>
      {problem === undefined ? null : (
        <Call tone="bad" level={3} role="alert" title="It was not corrected">
          {problem.message}
        </Call>
      )}
      <form
        class="stack stack--tight"
        onSubmit={(submitted) => {
          submitted.preventDefault()
          if (mistake === undefined && !busy) void run()
        }}
      >
        <div class="field">
          <label for={ids.type}>Type</label>
          <input class="input" id={ids.type} required value={changed.type} onInput={set('type')} />
        </div>
        <div class="field">
          <label for={ids.subject}>Subject</label>
          <input class="input" id={ids.subject} value={changed.subject} onInput={set('subject')} />
        </div>
        {canEdit ? (
          <div class="field">
            <label for={ids.data}>Data, as JSON</label>
            <textarea
              class="input mono"
              id={ids.data}
              rows={8}
              spellcheck={false}
              aria-invalid={mistake !== undefined}
              aria-describedby={ids.mistake}
              value={changed.data}
              onInput={set('data')}
            />
            <span class="hint" id={ids.mistake}>
              {mistake ?? 'Numbers keep all their digits.'}
            </span>
          </div>
        ) : (
          <p class="hint">Its data stays as it is: it is binary, or you may not see all of it.</p>
        )}
        <div class="field">
          <label for={ids.reason}>Why (for the audit)</label>
          <input class="input" id={ids.reason} autocomplete="off" value={changed.reason} onInput={set('reason')} />
        </div>
        <footer>
          <button type="button" class="btn" onClick={onClose}>
            Leave it
          </button>
          <button type="submit" class="btn btn--main" disabled={mistake !== undefined || busy}>
            Send the corrected one
          </button>
        </footer>
      </form>
    </Dialog>
  )
}
