import { BroadcasterError } from '../errors.ts'
import { showValue } from '../foundation/problem.ts'

/**
 * A test for event types. In a pattern `*` stands for one or more characters: at the end of the pattern any characters,
 * elsewhere any but a dot. So `order.*` takes `order.created` and `order.line.added` but not `order`, `order.*.done`
 * takes `order.line.done`, and `*` takes everything. A pattern without `*` is that one type.
 *
 * The time of a test is linear in the length of the type, whatever it holds: types come from anyone, and a regular
 * expression with two stars took quadratic time.
 *
 * Throws `INVALID_OPTION` for an empty pattern and for `**`.
 */
export function compileTypePattern(pattern: string): (type: string) => boolean {
  if (typeof pattern !== 'string' || pattern === '' || pattern.includes('**')) {
    throw new BroadcasterError(
      'INVALID_OPTION',
      `the type pattern ${showValue(pattern)} is not valid; write a type, or a pattern such as "order.*"`,
      { field: 'type', value: pattern },
    )
  }
  if (!pattern.includes('*')) return (type) => type === pattern
  if (pattern === '*') return (type) => type !== ''
  // No star but the last one crosses a dot, so each segment of the pattern is matched by one of the type.
  const segments = pattern.split('.').map((segment) => segment.split('*'))
  const last = segments.pop() ?? []
  const isOpen = pattern.endsWith('*')
  if (isOpen) last.pop()
  return (type) => {
    let at = 0
    for (const parts of segments) {
      const end = type.indexOf('.', at)
      if (end < 0 || !fills(parts, type.slice(at, end))) return false
      at = end + 1
    }
    const dot = type.indexOf('.', at)
    if (!isOpen) return dot < 0 && fills(last, type.slice(at))
    const end = endOfBeginning(last, type.slice(at, dot < 0 ? type.length : dot))
    return end !== undefined && at + end < type.length
  }
}

/** Whether a segment is these parts with one or more characters between each two. */
function fills(parts: readonly string[], segment: string): boolean {
  if (parts.length === 1) return segment === parts[0]
  const end = parts[parts.length - 1] ?? ''
  const from = endOfBeginning(parts.slice(0, -1), segment)
  return from !== undefined && segment.length - end.length > from && segment.endsWith(end)
}

/** Where the parts end at the earliest, when a segment begins with them; undefined when it does not. */
function endOfBeginning(parts: readonly string[], segment: string): number | undefined {
  let at = 0
  for (const [n, part] of parts.entries()) {
    const found = n === 0 ? (segment.startsWith(part) ? 0 : -1) : segment.indexOf(part, at + 1)
    if (found < 0) return undefined
    at = found + part.length
  }
  return at
}
