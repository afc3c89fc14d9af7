import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'

interface Props {
  readonly label: string
  readonly class: string
  readonly button: ComponentChildren
  readonly children: ComponentChildren
}

/** A button that opens a small box below it; Escape, a click elsewhere, or a choice that says so closes it. */
export function Menu({ label, class: classes, button, children }: Props): JSX.Element {
  const [isOpen, setIsOpen] = useState(false)
  const root = useRef<HTMLDivElement>(null)
  const opener = useRef<HTMLButtonElement>(null)
  const id = useId()
  useEffect(() => {
    if (!isOpen) return
    const away = (event: PointerEvent): void => {
      if (event.target instanceof Node && root.current?.contains(event.target) !== true) setIsOpen(false)
    }
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape') return
      setIsOpen(false)
      opener.current?.focus()
    }
    document.addEventListener('pointerdown', away)
    document.addEventListener('keydown', onKey)
    return () => {
      document.removeEventListener('pointerdown', away)
      document.removeEventListener('keydown', onKey)
    }
  }, [isOpen])
  return (
    <div ref={root} class="menu">
      <button
        ref={opener}
        type="button"
        class={classes}
        aria-expanded={isOpen}
        aria-controls={id}
        onClick={() => setIsOpen(!isOpen)}
      >
        {button}
      </button>
      <section id={id} class="menu-box" aria-label={label} hidden={!isOpen}>
        {children}
      </section>
    </div>
  )
}
