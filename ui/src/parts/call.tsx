import type { ComponentChildren, JSX } from 'preact'
import { Icon, type IconName } from './icon.tsx'

export type CallTone = 'bad' | 'warn' | 'held' | 'calm' | 'ok'

const ICONS: Readonly<Record<CallTone, IconName>> = {
  bad: 'failed',
  warn: 'wrong',
  held: 'blocked',
  calm: 'advice',
  ok: 'ok',
}

interface Props {
  readonly tone: CallTone
  readonly icon?: IconName
  readonly title: ComponentChildren
  readonly children?: ComponentChildren
  /** A few buttons: one is the main one. */
  readonly buttons?: ComponentChildren
  readonly level?: 2 | 3
  /** Read out as soon as it appears. */
  readonly role?: 'alert' | 'status'
}

/** Says what is the matter and why, and carries what mends it. */
export function Call({ tone, icon, title, children, buttons, level = 2, role }: Props): JSX.Element {
  const Title = level === 2 ? 'h2' : 'h3'
  return (
    <div class={`call call--${tone}`} {...(role === undefined ? {} : { role })}>
      <Icon name={icon ?? ICONS[tone]} />
      <div>
        <Title>{title}</Title>
        {children === undefined ? null : <p>{children}</p>}
      </div>
      {buttons === undefined ? null : <div class="btns">{buttons}</div>}
    </div>
  )
}
