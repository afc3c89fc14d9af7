import { showValue } from './problem.ts'

/** What somebody gave, as an error says it without what is in it: `a Worker`, `a list`, `undefined`. */
export function describeKind(given: unknown): string {
  if (given === null || typeof given !== 'object') return showValue(given)
  if (Array.isArray(given)) return given.length === 0 ? 'an empty list' : 'a list'
  const name: unknown = Reflect.get(given, 'constructor')?.name
  if (typeof name !== 'string' || name === '' || name === 'Object') return 'an object'
  return `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${name}`
}
