import type { ComponentChildren, JSX } from 'preact'
import { Icon, type IconName } from './icon.tsx'

interface Props {
  readonly icon?: IconName
  readonly title: string
  readonly children?: ComponentChildren
}

/** Why there is nothing, and what to do. */
export function Empty({ icon = 'ok', title, children }: Props): JSX.Element {
  return (
    <div class="empty">
      <Icon name={icon} />
      <h3>{title}</h3>
      {children}
    </div>
  )
}
