import type { JSX } from 'preact'
import { useId } from 'preact/hooks'
import type { ActionName } from '../../api/types.ts'

/** What can be done to many events, and until when it can be undone. */
export const CHOICES: Readonly<Record<ActionName, { readonly title: string; readonly canUndo: string }>> = {
  requeue: { title: 'Requeue', canUndo: 'by a cancel, until it is sent' },
  replay: { title: 'Replay', canUndo: 'no; it can be stopped' },
  skip: { title: 'Skip', canUndo: 'no; a requeue sends it' },
  cancel: { title: 'Cancel', canUndo: 'by a requeue, while it is kept' },
  reschedule: { title: 'Reschedule', canUndo: 'by another time' },
  delete: { title: 'Delete', canUndo: 'no' },
}

export const isChoice = (name: string): name is ActionName => Object.hasOwn(CHOICES, name) && name !== 'reschedule'

interface Props {
  readonly name: ActionName
  readonly rate: string
  readonly onName: (name: ActionName) => void
  readonly onRate: (rate: string) => void
}

export function WhatToDo({ name, rate, onName, onRate }: Props): JSX.Element {
  const ids = { name: useId(), rate: useId() }
  return (
    <div class="fields">
      <div class="field">
        <label for={ids.name}>Move</label>
        <select
          class="input"
          id={ids.name}
          value={name}
          onChange={(event) => onName(event.currentTarget.value as ActionName)}
        >
          {(Object.keys(CHOICES) as ActionName[]).filter(isChoice).map((one) => (
            <option key={one} value={one}>
              {CHOICES[one].title}
            </option>
          ))}
        </select>
      </div>
      <div class="field">
        <label for={ids.rate}>At most, a second</label>
        <input
          class="input"
          id={ids.rate}
          type="number"
          min="1"
          placeholder="no limit"
          value={rate}
          onInput={(event) => onRate(event.currentTarget.value)}
        />
      </div>
    </div>
  )
}
