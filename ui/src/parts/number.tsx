import type { JSX } from 'preact'
import type { Count } from '../api/types.ts'
import { countText, isExact, numberText } from '../words/number.ts'

/** A count. Zero is grey; one that stopped ends with a plus, and says so. */
export function Many({ of, href }: { readonly of: Count | number; readonly href?: string | undefined }): JSX.Element {
  const count: Count = typeof of === 'number' ? { count: of, exact: true } : of
  if (count.count === 0) return <span class="zero">0</span>
  const text = countText(count)
  const title = isExact(count) ? undefined : `at least ${numberText(count.count)}: counting stops there`
  return href === undefined ? (
    <span title={title}>{text}</span>
  ) : (
    <a href={href} title={title}>
      {text}
    </a>
  )
}

/** What does not apply. */
export const Nothing = (): JSX.Element => <span class="zero">–</span>

/** A number and its unit, small and grey: `34 ms`. */
export function WithUnit({ value, unit }: { readonly value: string; readonly unit: string }): JSX.Element {
  return (
    <>
      {value}
      <span class="unit">{unit}</span>
    </>
  )
}

/** `13 min 41 s`, with its units small. */
export function Figures({ text }: { readonly text: string }): JSX.Element {
  const words = text.split(' ')
  return (
    <>
      {words.map((word, index) =>
        index % 2 === 1 ? (
          <span class="unit" key={word}>
            {word}
            {index < words.length - 1 ? ' ' : ''}
          </span>
        ) : (
          word
        ),
      )}
    </>
  )
}
