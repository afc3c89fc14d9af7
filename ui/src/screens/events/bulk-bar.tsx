import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { act } from '../../api/act.ts'
import { move, resultText, type Target } from '../../api/moves.ts'
import type { ActionName, EventRow } from '../../api/types.ts'
import { Bulk } from '../../parts/bulk.tsx'
import { DoButton } from '../../parts/do-button.tsx'
import type { IconName } from '../../parts/icon.tsx'
import { say } from '../../parts/toasts.tsx'
import { useKeys } from '../../shell/keyboard.ts'
import { numberText } from '../../words/number.ts'

interface Props {
  readonly events: readonly EventRow[]
  readonly chosen: ReadonlySet<string>
  /** Whether all that match are chosen, not those of this page. */
  readonly isAll: boolean
  readonly q: string
  /** How many match, in words. */
  readonly matching: string
  readonly onAll: () => void
  readonly onDone: () => void
  readonly onClear: () => void
}

/** What can be done to the chosen; more than one may fit, and the server leaves alone what does not. */
const FITTING: Readonly<Record<'requeue' | 'skip' | 'cancel' | 'replay', readonly EventRow['status'][]>> = {
  requeue: ['failed', 'cancelled', 'retry'],
  skip: ['failed'],
  cancel: ['pending', 'retry', 'failed', 'processing'],
  replay: ['published'],
}

const ICONS: Readonly<Record<string, IconName>> = {
  requeue: 'requeue',
  skip: 'skip',
  cancel: 'cancelled',
  replay: 'send',
}

/** At the bottom of the list once rows are chosen. */
export function BulkBar({ events, chosen, isAll, q, matching, onAll, onDone, onClear }: Props): JSX.Element | null {
  const [asking, setAsking] = useState<{ readonly name: ActionName; readonly target: Target }>()
  const ids = [...chosen]
  const rows = events.filter(({ id }) => chosen.has(id))
  const fits = (name: keyof typeof FITTING): boolean =>
    isAll || rows.some(({ status }) => FITTING[name].includes(status))

  const run = async (name: ActionName): Promise<void> => {
    if (isAll) return setAsking({ name, target: { q } })
    // What is sent again or never is not undone by a click: it is asked for first.
    if (name === 'cancel' || name === 'replay') return setAsking({ name, target: { ids } })
    await act(`${name} of ${ids.length}`, async () => resultText(name, await move(name, { ids })))
    onDone()
  }
  useKeys((key) => {
    if (chosen.size === 0) return false
    if (key === 'r') void run('requeue')
    else if (key === 'X') onAll()
    else return false
    return true
  })
  if (chosen.size === 0) return null
  const how = isAll ? 'all…' : numberText(ids.length)
  return (
    <>
      <section class="bulk" aria-label="What to do with the chosen events">
        <b role="status">{isAll ? `All ${matching} that match` : `${numberText(ids.length)} chosen`}</b>
        {isAll ? null : (
          <button type="button" class="btn btn--bare btn--small" onClick={onAll}>
            Choose all {matching} that match
          </button>
        )}
        <button type="button" class="btn btn--bare btn--small hide-s" onClick={onClear}>
          Choose none
        </button>
        <span class="grow" />
        {(Object.keys(FITTING) as (keyof typeof FITTING)[]).filter(fits).map((name) => (
          <DoButton key={name} icon={ICONS[name] ?? 'operations'} onDo={() => void run(name)}>
            {name.charAt(0).toUpperCase() + name.slice(1)} {how}
            {!isAll && (name === 'cancel' || name === 'replay') ? '…' : ''}
          </DoButton>
        ))}
      </section>
      {asking === undefined ? null : (
        <Bulk
          name={asking.name}
          target={asking.target}
          onClose={() => setAsking(undefined)}
          onDone={(text, undo) => {
            setAsking(undefined)
            say({ text, action: undo })
            onDone()
          }}
        />
      )}
    </>
  )
}
