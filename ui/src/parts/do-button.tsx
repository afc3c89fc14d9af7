import type { ComponentChildren, JSX } from 'preact'
import { useId } from 'preact/hooks'
import { may } from '../api/session.ts'
import type { Role } from '../api/types.ts'
import { Icon, type IconName } from './icon.tsx'

interface Props {
  /** Who may do it; default operator. */
  readonly role?: Role
  readonly icon?: IconName
  readonly kind?: 'main' | 'bad' | 'bare' | 'plain'
  readonly small?: boolean
  readonly isBusy?: boolean
  /** Why it cannot be done now, whoever asks. */
  readonly whyNot?: string | undefined
  readonly onDo: () => void
  readonly children: ComponentChildren
}

/** A button that changes something: it is there for all, and off with the reason for those who may not. */
export function DoButton({
  role = 'operator',
  icon,
  kind = 'plain',
  small = false,
  isBusy = false,
  whyNot,
  onDo,
  children,
}: Props): JSX.Element {
  const id = useId()
  const reason = may(role) ? whyNot : `needs the role ${role}`
  const classes = ['btn', kind === 'plain' ? '' : `btn--${kind}`, small ? 'btn--small' : '']
  return (
    <>
      <button
        type="button"
        class={classes.filter(Boolean).join(' ')}
        aria-disabled={reason !== undefined || isBusy ? 'true' : undefined}
        aria-describedby={reason === undefined ? undefined : id}
        title={reason}
        onClick={() => {
          if (reason === undefined && !isBusy) onDo()
        }}
      >
        {icon === undefined ? null : <Icon name={icon} />}
        <span>{children}</span>
      </button>
      {reason === undefined ? null : (
        <span class="vh" id={id}>
          {reason}
        </span>
      )}
    </>
  )
}
