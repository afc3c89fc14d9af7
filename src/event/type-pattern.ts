import { BroadcasterError } from '../errors.ts'
import { showValue } from '../problem.ts'

/** What has a meaning in a regular expression. */
const SPECIAL = /[\\^$.*+?()[\]{}|]/g

/**
 * A test for event types. In a pattern `*` stands for one or more characters: at the end of the pattern any
 * characters, elsewhere any but a dot. So `order.*` takes `order.created` and `order.line.added` but not `order`,
 * `order.*.done` takes `order.line.done`, and `*` takes everything. A pattern without `*` is that one type.
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
  if (pattern === '*') return () => true
  const parts = pattern.split('*').map((part) => part.replace(SPECIAL, '\\$&'))
  const open = pattern.endsWith('*')
  if (open) parts.pop()
  const expression = new RegExp(`^${parts.join('[^.]+')}${open ? '.+' : ''}$`, 's')
  return (type) => expression.test(type)
}

/** Whether a text is a pattern rather than one type. */
export function isTypePattern(text: string): boolean {
  return text.includes('*')
}
