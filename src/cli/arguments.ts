import { parseArgs } from 'node:util'
import { formatDuration } from '../foundation/for-people.ts'
import { suggestion } from '../foundation/suggestion.ts'
import {
  allOptions,
  type COMMON_OPTIONS,
  type CommandOptions,
  type OptionSpec,
  type OptionValues,
} from './command-options.ts'
import { UsageError } from './exit-codes.ts'

/** What was typed after the name of a command. */
export interface Input<Table extends CommandOptions> {
  readonly options: OptionValues<Table & typeof COMMON_OPTIONS>
  readonly positionals: readonly string[]
}

interface ReadOptions {
  /** The clock, for times that are given as so long ago. */
  readonly now?: () => Date
  /** What all other commands take, and this one does not. */
  readonly without?: readonly (keyof typeof COMMON_OPTIONS)[] | undefined
}

type Token = NonNullable<ReturnType<typeof parseArgs>['tokens']>[number]

/**
 * Reads a command line by a table of options; what is not given there may come from the environment. Throws
 * `UsageError` with a suggestion for an option that is not known.
 */
export function readArguments<Table extends CommandOptions>(
  args: readonly string[],
  table: Table,
  env: Readonly<Record<string, string | undefined>>,
  { now = () => new Date(), without }: ReadOptions = {},
): Input<Table> {
  const all = allOptions(table, without)
  const known = Object.entries(all)
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      known.map(([name, { kind, short }]) => [
        name,
        { type: kind === 'flag' ? ('boolean' as const) : ('string' as const), ...(short && { short }) },
      ]),
    ),
    // We look at every token ourselves, for better messages.
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const options = tokens.filter((token) => token.kind === 'option')
  const texts = options.map((token) => ({ name: token.name, text: textOf(token, all) }))
  const given = Map.groupBy(texts, ({ name }) => name)
  const positionals = tokens.filter((token) => token.kind === 'positional').map(({ value }) => value)
  const values = known.map(([name, spec]) => {
    const typed = given.get(name)?.map(({ text }) => text)
    const fromEnv = spec.env === undefined ? undefined : env[spec.env]
    if (typed !== undefined || fromEnv === undefined || fromEnv === '') {
      return [name, readOption(spec, typed ?? [], `--${name}`, now)]
    }
    return [name, readOption(spec, [fromEnv], String(spec.env), now)]
  })
  return { options: Object.fromEntries(values) as Input<Table>['options'], positionals }
}

/** The text of an option's value: `true` for a flag. */
function textOf(token: Extract<Token, { kind: 'option' }>, all: CommandOptions): string {
  const spec = Object.hasOwn(all, token.name) ? all[token.name] : undefined
  if (spec === undefined) {
    const names = Object.keys(all).map((name) => `--${name}`)
    throw new UsageError(`there is no option ${token.rawName}${suggestion(`--${token.name}`, names)}`)
  }
  if (spec.kind === 'flag') {
    if (token.value === undefined) return 'true'
    throw new UsageError(`${token.rawName} takes no value`)
  }
  // `--limit --json`: the value is missing, and the next option must not be taken for it.
  const next = spec.kind === 'text' ? /^--/ : /^-./
  if (token.value === undefined || (!token.inlineValue && next.test(token.value))) {
    throw new UsageError(`${token.rawName} needs a value: ${token.rawName} <${spec.value ?? spec.kind}>`)
  }
  return token.value
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** What a flag may be in the environment. */
const ON: ReadonlySet<string> = new Set(['1', 'true', 'yes', 'on'])
const OFF: ReadonlySet<string> = new Set(['', '0', 'false', 'no', 'off'])

/** Reads the values that were given for an option; `label` names it in errors. Throws `UsageError`. */
function readOption(spec: OptionSpec, given: readonly string[], label: string, now: () => Date): unknown {
  if (spec.kind === 'list') return given.flatMap((text) => text.split(',')).filter((text) => text !== '')
  const text = given.at(-1)
  if (spec.kind === 'flag') {
    if (text === undefined || OFF.has(text)) return false
    if (ON.has(text)) return true
    throw new UsageError(`${label} is ${text}; give true or false (1 or 0, yes or no, on or off)`)
  }
  if (text === undefined) return undefined
  switch (spec.kind) {
    case 'text':
      return text
    case 'choice': {
      if (spec.choices.includes(text)) return text
      const hint = suggestion(text, spec.choices) || `; give one of ${spec.choices.join(', ')}`
      throw new UsageError(`${label} is ${text}${hint}`)
    }
    case 'integer': {
      const { min, max = Number.MAX_SAFE_INTEGER } = spec
      const value = Number(text)
      if (/^-?\d+$/.test(text) && value >= min && value <= max) return value
      const range = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `from ${min} to ${max}`
      throw new UsageError(`${label} is ${text}; give a whole number, ${range}`)
    }
    case 'duration': {
      const { min = 0, max = Number.POSITIVE_INFINITY } = spec
      const value = parseDuration(text)
      if (spec.unit === 'required' && value !== 0 && /^[\d.]+$/.test(text)) {
        throw new UsageError(`${label} is ${text}, which says no unit; write ${text}d for days or ${text}s for seconds`)
      }
      if (value !== undefined && value >= min && value <= max) return value
      if (value !== undefined) {
        throw new UsageError(`${label} is ${text}; give a time from ${formatDuration(min)} to ${formatDuration(max)}`)
      }
      throw new UsageError(`${label} is ${text}; give seconds, or a number with a unit: 250ms, 5s, 10m, 2h, 7d`)
    }
    case 'instant': {
      const ago = parseDuration(text)
      const at = ago === undefined ? new Date(text) : new Date(now().getTime() - ago)
      if (!Number.isNaN(at.getTime())) return at
      throw new UsageError(`${label} is ${text}; give a date such as 2026-01-31T12:00:00Z, or how long ago, such as 2h`)
    }
  }
}

function parseDuration(text: string): number | undefined {
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text) ?? []
  return number === undefined ? undefined : Math.round(Number(number) * (UNITS[unit] ?? 1))
}
