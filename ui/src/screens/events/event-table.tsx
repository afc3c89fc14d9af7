import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { now } from '../../api/clock.ts'
import type { EventRow } from '../../api/types.ts'
import { State } from '../../parts/state.tsx'
import { Table, Th } from '../../parts/table.tsx'
import { address, go } from '../../place/place.ts'
import { useKeys } from '../../shell/keyboard.ts'
import { eventState, keyText } from '../../words/event-state.ts'
import { CELLS } from './cells.tsx'
import { COLUMNS, columns } from './columns.ts'

interface Props {
  readonly events: readonly EventRow[]
  readonly chosen: ReadonlySet<string>
  readonly labelledBy: string
  /** Goes into each event's address, so that previous and next stay within the filter. */
  readonly q: string
  readonly onChoose: (chosen: ReadonlySet<string>) => void
}

export const addressOfEvent = (id: string, q = ''): string => address(['events', id], q === '' ? {} : { q })

/** The list: rows are chosen by their boxes, or by `j`, `k`, `x` and `Enter`. */
export function EventTable({ events, chosen, labelledBy, q, onChoose }: Props): JSX.Element {
  const [at, setAt] = useState(-1)
  const all = events.length > 0 && events.every(({ id }) => chosen.has(id))
  const some = !all && events.some(({ id }) => chosen.has(id))
  const toggle = (id: string): void => {
    const next = new Set(chosen)
    if (!next.delete(id)) next.add(id)
    onChoose(next)
  }
  useKeys((key) => {
    const row = events[at]
    if (key === 'j' || key === 'k') {
      const next = Math.min(events.length - 1, Math.max(0, at + (key === 'j' ? 1 : -1)))
      setAt(next)
      document.querySelector<HTMLElement>(`[data-row="${next}"] a`)?.focus()
      return true
    }
    if (row === undefined) return false
    if (key === 'x') toggle(row.id)
    else if (key === 'Enter') go(addressOfEvent(row.id, q))
    else return false
    return true
  })
  return (
    <Table
      labelledBy={labelledBy}
      class="tbl--fix events"
      head={
        <>
          <Th class="c-check">
            <input
              type="checkbox"
              aria-label={`Choose all ${events.length} on this page`}
              checked={all}
              ref={(box) => {
                if (box !== null) box.indeterminate = some
              }}
              onChange={() => onChoose(all ? new Set() : new Set(events.map(({ id }) => id)))}
            />
          </Th>
          <Th class="c-status">Status</Th>
          <Th class="c-type">Type</Th>
          {columns.value.map((name) => (
            <Th key={name} class={CELLS[name].head}>
              {COLUMNS[name]}
            </Th>
          ))}
        </>
      }
    >
      {events.map((event, index) => (
        <tr key={event.id} role="row" data-row={index} class={chosen.has(event.id) ? 'is-on' : undefined}>
          <td role="cell" class="e-check">
            <input
              type="checkbox"
              aria-label={`Choose ${event.type}, ${event.id.slice(-8)}`}
              checked={chosen.has(event.id)}
              onFocus={() => setAt(index)}
              onChange={() => toggle(event.id)}
            />
          </td>
          <td role="cell" class="e-status">
            <State name={eventState(event, now.value)} />
            <span class="only-s quiet cut">{[event.backend, keyText(event)].filter(Boolean).join(' · ')}</span>
          </td>
          <th scope="row" role="rowheader" class="cut e-type">
            <a href={addressOfEvent(event.id, q)} title={event.type} onFocus={() => setAt(index)}>
              {event.type}
            </a>
          </th>
          {columns.value.map((name) => {
            const { cell, title, value } = CELLS[name]
            return (
              <td key={name} role="cell" class={cell} title={title?.(event)}>
                {value(event)}
              </td>
            )
          })}
        </tr>
      ))}
    </Table>
  )
}
