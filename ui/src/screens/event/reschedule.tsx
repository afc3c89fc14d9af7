import type { JSX } from 'preact'
import { useId, useState } from 'preact/hooks'
import { databaseNow } from '../../api/clock.ts'
import { move, resultText } from '../../api/moves.ts'
import { asProblem, type Problem } from '../../api/problem.ts'
import { Call } from '../../parts/call.tsx'
import { Dialog } from '../../parts/dialog.tsx'

interface Props {
  readonly id: string
  readonly dueAt: string
  readonly onClose: () => void
  readonly onDone: (text: string) => void
}

/** The field takes the viewer's own zone: what a person types is local. */
const inField = (at: number): string => {
  const date = new Date(at - new Date(at).getTimezoneOffset() * 60_000)
  return date.toISOString().slice(0, 16)
}

/** Moves the due time of an event that is still to be delivered. */
export function Reschedule({ id, dueAt, onClose, onDone }: Props): JSX.Element {
  const [at, setAt] = useState(inField(Math.max(Date.parse(dueAt), databaseNow())))
  const [problem, setProblem] = useState<Problem>()
  const field = useId()
  const time = new Date(at)
  const isTime = !Number.isNaN(time.getTime())
  const run = async (): Promise<void> => {
    try {
      onDone(resultText('reschedule', await move('reschedule', { ids: [id] }, { at: time.toISOString() })))
    } catch (thrown) {
      setProblem(asProblem(thrown))
    }
  }
  return (
    <Dialog title="When should it be sent?" onClose={onClose}>
      {problem === undefined ? null : (
        <Call tone="bad" level={3} role="alert" title="It was not rescheduled">
          {problem.message}
        </Call>
      )}
      <form
        class="stack stack--tight"
        onSubmit={(event) => {
          event.preventDefault()
          if (isTime) void run()
        }}
      >
        <div class="field">
          <label for={field}>Due at</label>
          <input
            class="input"
            id={field}
            type="datetime-local"
            required
            value={at}
            onInput={(event) => setAt(event.currentTarget.value)}
          />
          <span class="hint">
            {isTime ? `In your zone; ${time.toISOString().slice(0, 16).replace('T', ' ')} in UTC` : 'A date and a time'}
          </span>
        </div>
        <footer>
          <button type="button" class="btn" onClick={onClose}>
            Leave it
          </button>
          <button type="submit" class="btn btn--main" disabled={!isTime}>
            Reschedule
          </button>
        </footer>
      </form>
    </Dialog>
  )
}
