import { signal } from '@preact/signals'
import { keep, kept } from '../../api/kept.ts'

/** What a list of events can show beside status and type. */
export const COLUMNS = {
  key: 'Key',
  backend: 'Backend',
  subject: 'Subject',
  source: 'Source',
  attempts: 'Attempts',
  error: 'Last error',
  due: 'Due',
  published: 'Published',
  age: 'Age',
  id: 'Id',
} as const

export type Column = keyof typeof COLUMNS

const USUAL: readonly Column[] = ['key', 'backend', 'attempts', 'error', 'age', 'id']

const isColumn = (name: string): name is Column => Object.hasOwn(COLUMNS, name)

/** Those that are shown, in the order of `COLUMNS`; kept in this browser. */
export const columns = signal<readonly Column[]>(kept('columns')?.split(',').filter(isColumn) ?? USUAL)

export function switchColumn(name: Column): void {
  const on = new Set(columns.peek())
  if (!on.delete(name)) on.add(name)
  columns.value = (Object.keys(COLUMNS) as Column[]).filter((one) => on.has(one))
  keep('columns', columns.value.join(','))
}
