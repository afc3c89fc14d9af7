import { showValue } from './problem.ts'

/** What was given, as an error may say without its content: `a Worker`, `a list`, `undefined`. */
export function describeKind(given: unknown): string {
  if (given === null || typeof given !== 'object') return showValue(given)
  if (Array.isArray(given)) return given.length === 0 ? 'an empty list' : 'a list'
  const name: unknown = Reflect.get(given, 'constructor')?.name
  if (typeof name !== 'string' || name === '' || name === 'Object') return 'an object'
  return `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${name}`
}
