import { signal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { Icon } from './icon.tsx'

export interface Toast {
  readonly text: string
  /** It did not work, or not for all. */
  readonly isBad?: boolean
  readonly action?: { readonly text: string; readonly run: () => void } | undefined
}

/** A toast stays for ten seconds, and longer while it is under the pointer or in focus. */
const SHOWN = 10_000

const toasts = signal<readonly (Toast & { readonly id: number })[]>([])
let last = 0

/** Says what was done, where it is read out. */
export function say(toast: Toast): void {
  toasts.value = [...toasts.value.slice(-2), { ...toast, id: ++last }]
}

const dismiss = (id: number): void => {
  toasts.value = toasts.value.filter((one) => one.id !== id)
}

/** Where toasts appear. */
export function Toasts(): JSX.Element {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <OneToast key={toast.id} {...toast} />
      ))}
    </div>
  )
}

function OneToast({ id, text, isBad = false, action }: Toast & { readonly id: number }): JSX.Element {
  const [held, setHeld] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    if (held) return
    const timer = setTimeout(() => dismiss(id), SHOWN)
    return () => clearTimeout(timer)
  }, [held, id])
  return (
    <div
      class={`toast${isBad ? ' toast--bad' : ''}`}
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocusIn={() => setHeld(true)}
      onFocusOut={() => setHeld(false)}
    >
      <Icon name={isBad ? 'wrong' : 'ok'} />
      <p>{text}</p>
      {action === undefined ? null : (
        <button
          ref={button}
          type="button"
          class="btn btn--small"
          onClick={() => {
            dismiss(id)
            action.run()
          }}
        >
          {action.text}
        </button>
      )}
      <button type="button" class="btn btn--bare btn--small btn--icon" aria-label="Close" onClick={() => dismiss(id)}>
        <Icon name="close" />
      </button>
    </div>
  )
}
