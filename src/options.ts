import { type Problem, requireObject, showValue, throwProblems } from './problem.ts'
import { suggestion } from './suggestion.ts'

/** What an option must be. */
export type OptionRule =
  | { readonly min: number; readonly max: number; readonly integer?: boolean }
  | { readonly oneOf: readonly string[] }

/**
 * Resolves an options object once: unknown keys are refused with a suggestion, values are checked, defaults filled in,
 * and the result is frozen. Throws one `INVALID_OPTION` that lists every problem.
 */
export function resolveOptions<Resolved extends object>(
  owner: string,
  options: object,
  defaults: Resolved,
  rules: Partial<Record<keyof Resolved, OptionRule>> = {},
): Readonly<Resolved> {
  requireObject(owner, options)
  const problems = [
    ...unknownKeys(owner, options, Object.keys(defaults)),
    ...Object.entries(rules).flatMap(([name, rule]) => {
      const value = (options as Record<string, unknown>)[name]
      return value === undefined ? [] : brokenRule(`${owner}.${name}`, value, rule as OptionRule)
    }),
  ]
  throwProblems(owner, problems)
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.freeze({ ...defaults, ...Object.fromEntries(given) })
}

/** A problem for each key that is not known, with the nearest known one. */
export function unknownKeys(owner: string, given: object, known: readonly string[]): readonly Problem[] {
  requireObject(owner, given)
  return Object.keys(given)
    .filter((key) => !known.includes(key))
    .map((key) => ({
      code: 'INVALID_OPTION',
      field: `${owner}.${key}`,
      // Nobody knows what it is: it may be a misspelt password.
      value: undefined,
      message: `is no option of ${owner}${suggestion(key, known) || `; known are ${known.join(', ')}`}`,
    }))
}

function brokenRule(field: string, value: unknown, rule: OptionRule): readonly Problem[] {
  const problem = (wanted: string): readonly Problem[] => [
    { code: 'INVALID_OPTION', field, value, message: `is ${showValue(value)}; give ${wanted}` },
  ]
  if ('oneOf' in rule) {
    return typeof value === 'string' && rule.oneOf.includes(value) ? [] : problem(`one of ${rule.oneOf.join(', ')}`)
  }
  const fits = typeof value === 'number' && value >= rule.min && value <= rule.max
  if (fits && (!rule.integer || Number.isInteger(value))) return []
  return problem(`${rule.integer ? 'a whole number' : 'a number'} from ${rule.min} to ${rule.max}`)
}
