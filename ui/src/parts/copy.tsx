import type { JSX } from 'preact'
import { Icon } from './icon.tsx'
import { say } from './toasts.tsx'

/** Puts a text on the clipboard, and says so. A page without TLS has no clipboard of its own: then the old way. */
export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text)
    say({ text: `${what} copied` })
  } catch {
    say({ text: `${what} could not be copied: this browser does not allow it here`, isBad: true })
  }
}

export function CopyButton({ text, what }: { readonly text: string; readonly what: string }): JSX.Element {
  const label = `Copy the ${what}`
  return (
    <button
      type="button"
      class="btn btn--bare btn--small btn--icon"
      aria-label={label}
      title={label}
      onClick={() => void copy(text, what.charAt(0).toUpperCase() + what.slice(1))}
    >
      <Icon name="copy" />
    </button>
  )
}
