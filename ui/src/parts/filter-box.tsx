import type { JSX } from 'preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { inAddress, useFilterText } from '../api/filter-address.ts'
import { asProblem, type Problem } from '../api/problem.ts'
import { FilterMistake } from './filter-mistake.tsx'
import { Icon } from './icon.tsx'
import { Suggestions, useSuggestions } from './suggestions.tsx'

interface Props {
  /** What stands in the address: a filter, or `@<id>`. */
  readonly q: string
  readonly placeholder: string
  /** What the server said of this filter. */
  readonly problem?: Problem | undefined
  readonly onFilter: (q: string) => void
}

/** The filter: a combobox whose suggestions come from the server. Arrows choose, Enter takes or filters, Escape closes. */
export function FilterBox({ q, placeholder, problem, onFilter }: Props): JSX.Element {
  const text = useFilterText(q)
  const [typed, setTyped] = useState(text ?? '')
  const [refused, setRefused] = useState<Problem>()
  const [isOpen, setIsOpen] = useState(false)
  const [chosen, setChosen] = useState(-1)
  const input = useRef<HTMLInputElement>(null)
  const ids = { input: useId(), list: useId(), mistake: useId() }
  const suggestions = useSuggestions(isOpen ? typed : undefined, input)

  useEffect(() => {
    if (text !== undefined) setTyped(text)
  }, [text])

  const shown = isOpen && suggestions.length > 0
  const mistake = refused ?? problem
  const filter = async (value: string): Promise<void> => {
    setIsOpen(false)
    setRefused(undefined)
    try {
      onFilter(await inAddress(value))
    } catch (thrown) {
      setRefused(asProblem(thrown))
    }
  }
  const take = (index: number): void => {
    const one = suggestions[index]
    if (one === undefined) return
    const value = typed.slice(0, one.from) + one.text + typed.slice(one.to)
    setTyped(value)
    setChosen(-1)
    const cursor = one.from + one.text.length
    requestAnimationFrame(() => {
      input.current?.focus()
      input.current?.setSelectionRange(cursor, cursor)
    })
  }
  const onKeyDown = (event: KeyboardEvent & { readonly currentTarget: HTMLInputElement }): void => {
    if (event.key === 'Escape') {
      if (!shown) event.currentTarget.blur()
      setIsOpen(false)
    } else if (event.key === 'Enter' && shown && chosen >= 0) {
      event.preventDefault()
      take(chosen)
    } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault()
      setIsOpen(true)
      if (suggestions.length === 0) return
      const step = event.key === 'ArrowDown' ? 1 : -1
      setChosen((one) =>
        one < 0 && step < 0 ? suggestions.length - 1 : (one + step + suggestions.length) % suggestions.length,
      )
    }
  }

  return (
    <search>
      <form
        class="filter"
        onSubmit={(event) => {
          event.preventDefault()
          void filter(typed)
        }}
        onFocusOut={(event) => {
          if (!(event.relatedTarget instanceof Node && event.currentTarget.contains(event.relatedTarget)))
            setIsOpen(false)
        }}
      >
        <div class="box">
          <Icon name="find" />
          <label class="vh" for={ids.input}>
            Filter
          </label>
          <input
            ref={input}
            id={ids.input}
            data-filter
            role="combobox"
            aria-expanded={shown}
            aria-controls={ids.list}
            aria-autocomplete="list"
            aria-activedescendant={shown && chosen >= 0 ? `${ids.list}-${chosen}` : undefined}
            aria-invalid={mistake === undefined ? undefined : true}
            aria-describedby={mistake === undefined ? undefined : ids.mistake}
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            placeholder={placeholder}
            value={typed}
            onInput={(event) => {
              setTyped(event.currentTarget.value)
              setIsOpen(true)
              setChosen(-1)
            }}
            onKeyDown={onKeyDown}
          />
          {typed === '' ? (
            <kbd class="hide-s">/</kbd>
          ) : (
            <button
              type="button"
              class="btn btn--bare btn--small btn--icon"
              aria-label="Clear the filter"
              onClick={() => void filter('')}
            >
              <Icon name="close" />
            </button>
          )}
          <button class="btn btn--small" type="submit">
            Filter
          </button>
        </div>
        <Suggestions
          id={ids.list}
          hidden={!shown}
          suggestions={suggestions}
          chosen={chosen}
          typed={typed}
          onTake={take}
        />
      </form>
      {mistake === undefined ? null : <FilterMistake id={ids.mistake} filter={typed} problem={mistake} />}
    </search>
  )
}
