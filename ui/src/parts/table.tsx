import type { ComponentChildren, JSX } from 'preact'

// The roles are written out: where rows become blocks on a phone, the change of `display` would take the table away from
// screen readers.

interface TableProps {
  readonly labelledBy?: string
  readonly label?: string
  readonly class?: string
  readonly head: ComponentChildren
  readonly children: ComponentChildren
}

/** A table whose rows become blocks on a phone. */
export function Table({ labelledBy, label, class: more = '', head, children }: TableProps): JSX.Element {
  return (
    <table class={`tbl tbl--stack ${more}`} role="table" aria-labelledby={labelledBy} aria-label={label}>
      <thead role="rowgroup">
        <tr role="row">{head}</tr>
      </thead>
      <tbody role="rowgroup">{children}</tbody>
    </table>
  )
}

interface CellProps {
  readonly class?: string | undefined
  /** Before the value on a phone, where the column's head is not seen. */
  readonly h?: string
  readonly title?: string | undefined
  readonly children?: ComponentChildren
}

/** The head of a column. */
export const Th = ({ class: name, title, children }: CellProps): JSX.Element => (
  <th scope="col" role="columnheader" class={name} title={title}>
    {children}
  </th>
)

/** The head of a row. */
export const Rh = ({ class: name, title, children }: CellProps): JSX.Element => (
  <th scope="row" role="rowheader" class={name} title={title}>
    {children}
  </th>
)

export const Td = ({ class: name, h, title, children }: CellProps): JSX.Element => (
  <td role="cell" class={name} data-h={h} title={title}>
    {children}
  </td>
)
