import { parseJson, stringifyJson } from '../event/json.ts'
import { compileTypePattern } from '../event/type-pattern.ts'

/** A rule that hides what lies at some paths of the data of some events. */
export interface MaskRule {
  readonly type: string
  readonly paths: readonly string[]
}

/** The text in place of something hidden. */
const HIDDEN = '***'
const STEP = /\.([\p{L}_$][\p{L}\p{N}_$-]*)|\[(\d+|\*)\]|\["((?:[^"\\]|\\.)*)"\]/uy

/** Whether it is a path: `$`, `$.card.number`, `$.items[*].iban`, `$["odd name"]`. */
export function isPath(value: unknown): value is string {
  return typeof value === 'string' && stepsOf(value) !== undefined
}

/** The steps of a path; `*` as a number's place means each element. Undefined: it is none. */
export function stepsOf(path: string): readonly string[] | undefined {
  if (!path.startsWith('$') || path.length > 500) return undefined
  const steps: string[] = []
  STEP.lastIndex = 1
  for (let at = 1; at < path.length; at = STEP.lastIndex) {
    const found = STEP.exec(path)
    if (found === null) return undefined
    const [, name, place, quoted] = found
    steps.push(name ?? place ?? (JSON.parse(`"${quoted}"`) as string))
  }
  return steps
}

/** Data of an event, as it may be shown. */
export interface Shown {
  /** Null: all of it is hidden, or it cannot be told what to hide. */
  readonly text: string | null
  /** The paths that hid something; `$` = all of it. */
  readonly masked: readonly string[]
}

/**
 * Hides by rules, of which each that fits the type counts. Throws `INVALID_OPTION` for a type that is not a pattern.
 */
export function maskBy(rules: readonly MaskRule[]): (type: string, text: string | null) => Shown {
  const compiled = rules.map(({ type, paths }) => ({
    fits: compileTypePattern(type),
    paths: paths.map((path) => ({ path, steps: stepsOf(path) ?? [] })),
  }))
  return (type, text) => {
    const paths = compiled.flatMap((rule) => (rule.fits(type) ? rule.paths : []))
    if (paths.length === 0 || text === null) return { text, masked: [] }
    if (paths.some(({ steps }) => steps.length === 0)) return { text: null, masked: ['$'] }
    let root: unknown
    try {
      root = parseJson(text)
    } catch {
      // What is not JSON has no paths: better nothing than what was to be hidden.
      return { text: null, masked: ['$'] }
    }
    const masked = paths.filter(({ steps }) => hide(root, steps)).map(({ path }) => path)
    return masked.length === 0 ? { text, masked } : { text: stringifyJson(root), masked }
  }
}

/** The rule hides all data of this type, also what is not JSON. */
export function hidesAny(rules: readonly MaskRule[], type: string): boolean {
  return rules.some((rule) => compileTypePattern(rule.type)(type))
}

/** Whether there was something at the end of these steps. */
function hide(at: unknown, [step = '', ...rest]: readonly string[]): boolean {
  if (typeof at !== 'object' || at === null) return false
  const holder = at as Record<string, unknown>
  const names = step === '*' && Array.isArray(at) ? Object.keys(at) : [step]
  let found = false
  for (const name of names) {
    if (!Object.hasOwn(holder, name)) continue
    if (rest.length > 0) found = hide(holder[name], rest) || found
    else {
      holder[name] = HIDDEN
      found = true
    }
  }
  return found
}
