import type { JSX } from 'preact'
import { Icon } from '../../parts/icon.tsx'
import { Menu } from '../../parts/menu.tsx'
import { COLUMNS, type Column, columns, switchColumn } from './columns.ts'

/** Which columns the list shows. */
export function ColumnChooser(): JSX.Element {
  return (
    <Menu
      label="Columns"
      class="btn btn--bare btn--small hide-s"
      button={
        <>
          Columns
          <Icon name="open" />
        </>
      }
    >
      <fieldset class="stack stack--tight">
        <legend class="vh">Columns</legend>
        {(Object.keys(COLUMNS) as Column[]).map((name) => (
          <label key={name} class="choice">
            <input type="checkbox" checked={columns.value.includes(name)} onChange={() => switchColumn(name)} />
            <span>{COLUMNS[name]}</span>
          </label>
        ))}
      </fieldset>
    </Menu>
  )
}
