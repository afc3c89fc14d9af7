import type { JSX, RefObject } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { ask } from '../api/ask.ts'
import type { Suggestion } from '../api/types.ts'

/** After the last key, in milliseconds: who types fast asks once. */
const PAUSE = 120
/** More are not looked through. */
const MOST = 10

/** What the server suggests for the place of the cursor; `typed` undefined = nobody asks. */
export function useSuggestions(
  typed: string | undefined,
  input: RefObject<HTMLInputElement | null>,
): readonly Suggestion[] {
  const [found, setFound] = useState<readonly Suggestion[]>([])
  useEffect(() => {
    if (typed === undefined) return setFound([])
    const controller = new AbortController()
    const timer = setTimeout(() => {
      const at = input.current?.selectionStart ?? typed.length
      ask<readonly Suggestion[]>('suggest', { q: typed, at }, controller.signal).then(
        (answer) => setFound(answer.slice(0, MOST)),
        // A filter works without suggestions.
        () => setFound([]),
      )
    }, PAUSE)
    return () => {
      clearTimeout(timer)
      controller.abort()
    }
  }, [typed, input])
  return found
}

interface Props {
  readonly id: string
  readonly hidden: boolean
  readonly suggestions: readonly Suggestion[]
  readonly chosen: number
  readonly typed: string
  readonly onTake: (index: number) => void
}

export function Suggestions({ id, hidden, suggestions, chosen, typed, onTake }: Props): JSX.Element {
  return (
    <div class="suggest" hidden={hidden}>
      <div id={id} role="listbox" aria-label="Suggestions" tabIndex={-1}>
        {suggestions.map((one, index) => (
          <div
            key={`${one.from} ${one.text}`}
            role="option"
            id={`${id}-${index}`}
            tabIndex={-1}
            aria-selected={index === chosen}
            onMouseDown={(event) => {
              // Before the field loses its focus, which would close the list.
              event.preventDefault()
              onTake(index)
            }}
          >
            <Marked text={one.text} part={typed.slice(one.from, one.to)} />
            <span>{one.hint}</span>
          </div>
        ))}
      </div>
      <footer>
        <span>
          <kbd>↑</kbd> <kbd>↓</kbd> choose
        </span>
        <span>
          <kbd>Enter</kbd> take
        </span>
        <span>
          <kbd>Esc</kbd> close
        </span>
        <span>Also: key: id: error:"…" created:&lt;1h data.total:&gt;100</span>
      </footer>
    </div>
  )
}

function Marked({ text, part }: { readonly text: string; readonly part: string }): JSX.Element {
  if (part === '' || !text.toLowerCase().startsWith(part.toLowerCase())) return <code>{text}</code>
  return (
    <code>
      <mark>{text.slice(0, part.length)}</mark>
      {text.slice(part.length)}
    </code>
  )
}
