import type { ComponentChildren, JSX } from 'preact'
import { useId } from 'preact/hooks'

interface Props {
  readonly title: ComponentChildren
  /** A small sentence beside the title. */
  readonly note?: ComponentChildren
  /** What stands at the end of the head. */
  readonly end?: ComponentChildren
  readonly footer?: ComponentChildren
  readonly class?: string
  readonly id?: string
  /** Whether the content has the panel's padding; tables reach its edges. */
  readonly padded?: boolean
  readonly children?: ComponentChildren
}

/** A titled part of a page. */
export function Panel({
  title,
  note,
  end,
  footer,
  class: more = '',
  id,
  padded = false,
  children,
}: Props): JSX.Element {
  const own = useId()
  const heading = id ?? own
  return (
    <section class={`panel ${more}`} aria-labelledby={heading}>
      <header>
        <h2 id={heading}>{title}</h2>
        {note === undefined ? null : <p>{note}</p>}
        <span class="grow" />
        {end}
      </header>
      {padded ? <div class="in">{children}</div> : children}
      {footer === undefined ? null : <footer>{footer}</footer>}
    </section>
  )
}

interface HeadProps {
  readonly title: ComponentChildren
  readonly text?: ComponentChildren
  readonly children?: ComponentChildren
}

/** The head of a page: what is the matter, in a sentence. */
export function Head({ title, text, children }: HeadProps): JSX.Element {
  return (
    <div class="head">
      <div>
        <h1>{title}</h1>
        {text === undefined ? null : <p>{text}</p>}
      </div>
      {children === undefined ? null : <div class="btns">{children}</div>}
    </div>
  )
}

/** A part of a page whose title nobody needs to see: the page's own says it. */
export function Untitled({
  label,
  children,
}: {
  readonly label: string
  readonly children?: ComponentChildren
}): JSX.Element {
  const heading = useId()
  return (
    <section class="panel" aria-labelledby={heading}>
      <h2 class="vh" id={heading}>
        {label}
      </h2>
      {children}
    </section>
  )
}
