import { type EventFilter, readFilter } from '../admin/filter-language/read-filter.ts'
import type { CommandOptions } from './command-options.ts'
import { UsageError } from './exit-codes.ts'

/** An option of commands that show events. */
export const FILTER_OPTION = {
  filter: {
    kind: 'text',
    value: 'filter',
    help: 'Only events that match: status:failed type:order.* created:<1h data.total:>100 ..., as in the pages of the admin.',
  },
} as const satisfies CommandOptions

/** Of a filter with a mistake this many characters around it are shown. */
const AROUND = 30

/** What a filter in the language of the admin means. Throws `UsageError` that points at its mistake. */
export function eventFilter(text: string, now: Date): EventFilter {
  const read = readFilter(text, { now })
  if (!('message' in read)) return read
  const { at, end, message } = read
  const from = Math.max(0, at - AROUND)
  const before = `${from > 0 ? '…' : ''}${text.slice(from, at)}`
  const wrong = text.slice(at, Math.min(end, at + AROUND))
  const rest = text.slice(at + wrong.length, at + wrong.length + AROUND)
  const cut = at + wrong.length + rest.length < text.length ? '…' : ''
  const mark = `${' '.repeat(before.length)}${'^'.repeat(Math.max(1, wrong.length))}`
  throw new UsageError(`--filter: ${message}\n${before}${wrong}${rest}${cut}\n${mark}`)
}
