import { BroadcasterError } from './errors.ts'

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
  const problems = [
    ...unknownKeys(owner, options, Object.keys(defaults)),
    ...Object.entries(rules).flatMap(([name, rule]) => {
      const value = (options as Record<string, unknown>)[name]
      return value === undefined ? [] : brokenRule(`${owner}.${name}`, value, rule as OptionRule)
    }),
  ]
  refuse(problems)
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.freeze({ ...defaults, ...Object.fromEntries(given) })
}

/** Throws `INVALID_OPTION` with all problems, if there is one. */
export function refuse(problems: readonly string[]): void {
  if (problems.length > 0) throw new BroadcasterError('INVALID_OPTION', problems.join('; '))
}

/** A sentence for each key that is not known, with the nearest known one. */
export function unknownKeys(owner: string, given: object, known: readonly string[]): readonly string[] {
  return Object.keys(given)
    .filter((key) => !known.includes(key))
    .map((key) => `${owner} has no option '${key}'; ${suggest(key, known)}`)
}

/** `did you mean 'x'?`, or the whole list when nothing is near. */
export function suggest(word: string, known: readonly string[]): string {
  const best = known
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((one, other) => one.distance - other.distance)[0]
  if (best && best.distance <= Math.max(2, word.length / 3)) return `did you mean '${best.candidate}'?`
  return known.length === 0 ? 'there are none' : `known: ${known.join(', ')}`
}

function brokenRule(name: string, value: unknown, rule: OptionRule): readonly string[] {
  if ('oneOf' in rule) {
    if (typeof value === 'string' && rule.oneOf.includes(value)) return []
    return [`${name} must be one of ${rule.oneOf.join(', ')}, not ${show(value)}`]
  }
  const fits = typeof value === 'number' && value >= rule.min && value <= rule.max
  if (fits && (!rule.integer || Number.isInteger(value))) return []
  return [`${name} must be ${rule.integer ? 'a whole number' : 'a number'} from ${rule.min} to ${rule.max}, not ${show(value)}`]
}

function show(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value)
}

/** Levenshtein distance, by rows. */
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, n) => n)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      const change = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[other.length] ?? 0
}
