import { parseArgs } from 'node:util'
import { suggestion } from '../suggestion.ts'
import { UsageError } from './exit-codes.ts'
import { COMMON_OPTIONS, type OptionTable, type OptionValues } from './option-table.ts'
import { readOption } from './option-value.ts'

/** What was typed after the name of a command. */
export interface Input<Table extends OptionTable> {
  readonly options: OptionValues<Table & typeof COMMON_OPTIONS>
  readonly positionals: readonly string[]
}

type Token = NonNullable<ReturnType<typeof parseArgs>['tokens']>[number]

/**
 * Reads a command line by a table of options; what is not given there may come from the environment. Throws
 * `UsageError` with a suggestion for an option that is not known.
 */
export function readArguments<Table extends OptionTable>(
  args: readonly string[],
  table: Table,
  env: Readonly<Record<string, string | undefined>>,
  now: () => Date = () => new Date(),
): Input<Table> {
  const all: OptionTable = { ...table, ...COMMON_OPTIONS }
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
  const given = new Map<string, string[]>()
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind === 'option') addTo(given, token.name, textOf(token, all))
  }
  const values = known.map(([name, spec]) => {
    const typed = given.get(name)
    const fromEnv = spec.env === undefined ? undefined : env[spec.env]
    if (typed !== undefined || fromEnv === undefined || fromEnv === '') {
      return [name, readOption(spec, typed ?? [], `--${name}`, now)]
    }
    return [name, readOption(spec, [fromEnv], String(spec.env), now)]
  })
  return { options: Object.fromEntries(values) as Input<Table>['options'], positionals }
}

/** The text of an option's value: `true` for a flag. */
function textOf(token: Extract<Token, { kind: 'option' }>, all: OptionTable): string {
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

function addTo(map: Map<string, string[]>, name: string, text: string): void {
  const list = map.get(name)
  if (list) list.push(text)
  else map.set(name, [text])
}
