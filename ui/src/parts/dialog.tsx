import type { ComponentChildren, JSX } from 'preact'
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks'

interface Props {
  readonly title: string
  readonly onClose: () => void
  readonly children: ComponentChildren
}

/** A modal dialog, open as long as it is rendered. The browser gives the focus back to what opened it. */
export function Dialog({ title, onClose, children }: Props): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null)
  const heading = useId()
  useLayoutEffect(() => {
    const opener = document.activeElement
    dialog.current?.showModal()
    return () => {
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus()
    }
  }, [])
  return (
    <dialog ref={dialog} aria-labelledby={heading} onClose={onClose} {...{ closedby: 'any' }}>
      <div class="dlg">
        <h2 id={heading}>{title}</h2>
        {children}
      </div>
    </dialog>
  )
}

interface ConfirmProps {
  readonly title: string
  readonly children: ComponentChildren
  /** What must be typed before the button works: the number of events. */
  readonly word?: string | undefined
  readonly button: string
  readonly leave: string
  /** It cannot be undone. */
  readonly isFinal?: boolean
  /** Whether to ask why, for the audit. */
  readonly asksWhy?: boolean
  readonly onConfirm: (reason: string) => void
  readonly onClose: () => void
}

/** Asks in proportion: with the number to type where many events change or it cannot be undone. */
export function Confirm(props: ConfirmProps): JSX.Element {
  const { title, children, word, button, leave, isFinal = false, asksWhy = true, onConfirm, onClose } = props
  const [typed, setTyped] = useState('')
  const [reason, setReason] = useState('')
  const typing = useId()
  const why = useId()
  const isReady = word === undefined || typed.replace(/[\s.,’']/g, '') === word
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        class="stack stack--tight"
        onSubmit={(event) => {
          event.preventDefault()
          if (isReady) onConfirm(reason)
        }}
      >
        <div class="soft">{children}</div>
        {word === undefined ? null : (
          <div class="field">
            <label for={typing}>
              Type <b>{word}</b> to go on
            </label>
            <input
              class="input"
              id={typing}
              inputMode="numeric"
              autocomplete="off"
              value={typed}
              onInput={(event) => setTyped(event.currentTarget.value)}
            />
          </div>
        )}
        {asksWhy ? (
          <div class="field">
            <label for={why}>Why (for the audit)</label>
            <input
              class="input"
              id={why}
              autocomplete="off"
              value={reason}
              onInput={(event) => setReason(event.currentTarget.value)}
            />
          </div>
        ) : null}
        <footer>
          <button class="btn" type="button" onClick={onClose}>
            {leave}
          </button>
          <button class={`btn ${isFinal ? 'btn--bad' : 'btn--main'}`} type="submit" disabled={!isReady}>
            {button}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}
