import { useEffect, useState } from 'preact/hooks'
import { ask, post } from './ask.ts'
import type { FilterAnswer } from './types.ts'

/** The fields whose values may stand in an address: they name no person and no payload. */
const OPEN = new Set(
  'status is type source backend id event code created updated published due retries lane'.split(' '),
)

/** Whether a filter names data, keys or free text; a key's hash (`key:#...`) is none. Pure. */
export function isPrivate(filter: string): boolean {
  const terms = filter.match(/(?:[^\s"]|"(?:\\.|[^"\\])*"?)+/g) ?? []
  return terms.some((term) => {
    const [, name = '', value = ''] = /^-?([a-z]+):(.*)$/is.exec(term) ?? []
    if (name.toLowerCase() === 'key') return !/^#[\da-f]+$/i.test(value)
    return !OPEN.has(name.toLowerCase())
  })
}

/** What stands in an address for this filter: itself, or `@<id>` of the stored one. Throws a `Problem`. */
export async function inAddress(filter: string): Promise<string> {
  const text = filter.trim()
  if (text === '' || text.startsWith('@') || !isPrivate(text)) return text
  const { id } = await post<FilterAnswer>('filters', { q: text })
  return `@${id}`
}

/** The filter that an address stands for; undefined while it is asked. */
export function useFilterText(q: string): string | undefined {
  const [read, setRead] = useState<{ readonly of: string; readonly text: string }>()
  useEffect(() => {
    if (!q.startsWith('@')) return
    const controller = new AbortController()
    ask<FilterAnswer>(`filters/${encodeURIComponent(q.slice(1))}`, {}, controller.signal).then(
      (answer) => setRead({ of: q, text: answer.q }),
      () => setRead({ of: q, text: q }),
    )
    return () => controller.abort()
  }, [q])
  if (!q.startsWith('@')) return q
  return read?.of === q ? read.text : undefined
}
