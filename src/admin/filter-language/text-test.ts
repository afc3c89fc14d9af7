import type { FilterColumn } from '../../record/columns.ts'
import type { Condition } from '../../store/admin-store.ts'
import type { TermValue } from './terms.ts'

/** A text with `*` for any characters, as it is in a filter; in quotes a star is a star. */
export interface TextPattern {
  /** The parts between the stars. */
  readonly parts: readonly string[]
  fits(text: string | null): boolean
}

/** Reads a value as a text to compare with; case counts. Pure. */
export function textTest({ text, quoted }: Pick<TermValue, 'text' | 'quoted'>): TextPattern {
  const parts = quoted ? [text] : text.split(/\*+/)
  return {
    parts,
    fits(value) {
      if (value === null) return false
      const [first = '', ...rest] = parts
      const last = rest.pop()
      if (last === undefined) return value === first
      if (!value.startsWith(first)) return false
      let at = first.length
      for (const part of rest) {
        const found = value.indexOf(part, at)
        if (found < 0) return false
        at = found + part.length
      }
      return value.length - last.length >= at && value.endsWith(last)
    },
  }
}

/** The same as a condition of a store; undefined: none says it. */
export function textCondition(column: FilterColumn, { parts }: TextPattern): Condition | undefined {
  const [first = '', second, third] = parts
  if (parts.length === 1) return { column, op: 'eq', value: first }
  if (parts.length === 2 && second === '') return first === '' ? undefined : { column, op: 'startsWith', value: first }
  if (parts.length === 2 && first === '') return { column, op: 'endsWith', value: second ?? '' }
  if (parts.length === 3 && first === '' && third === '') return { column, op: 'contains', value: second ?? '' }
  return undefined
}

/** Whether a text has another in it, whatever the case. */
export function hasText(text: string | null, sought: string): boolean {
  return text?.toLowerCase().includes(sought.toLowerCase()) ?? false
}
