import type { JSX } from 'preact'
import { useId } from 'preact/hooks'
import type { ActionName } from '../../api/types.ts'

/** What can be done to many events, and until when it can be undone. */
export const CHOICES: Readonly<Record<ActionName, { readonly title: string; readonly canUndo: string }>> = {
  requeue: { title: 'Requeue', canUndo: 'yes, for what was not tried yet' },
  replay: { title: 'Replay', canUndo: 'no; it can be stopped' },
  skip: { title: 'Skip', canUndo: 'no; a requeue sends it' },
  cancel: { title: 'Cancel', canUndo: 'yes, for a week' },
  reschedule: { title: 'Reschedule', canUndo: 'by another time' },
  delete: { title: 'Delete', canUndo: 'no' },
}

export const isChoice = (name: string): name is ActionName => Object.hasOwn(CHOICES, name) && name !== 'reschedule'

interface Props {
  readonly name: ActionName
  readonly rate: string
  /** Of a replay: the backend that gets them; empty = the one that each was for. */
  readonly to: string
  readonly backends: readonly string[]
  readonly onTo: (to: string) => void
  readonly onName: (name: ActionName) => void
  readonly onRate: (rate: string) => void
}

export function WhatToDo({ name, rate, to, backends, onTo, onName, onRate }: Props): JSX.Element {
  const ids = { name: useId(), rate: useId(), to: useId() }
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
      {name === 'replay' ? (
        <div class="field">
          <label for={ids.to}>To</label>
          <select class="input" id={ids.to} value={to} onChange={(event) => onTo(event.currentTarget.value)}>
            <option value="">the backend of each</option>
            {backends.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </div>
      ) : null}
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
