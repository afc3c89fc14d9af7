/** One option of a command: what it takes, and what the help says of it. */
export type OptionSpec = {
  readonly help: string
  /** What stands for the value in the help: `--limit <number>`. */
  readonly value?: string
  /** The environment variable that is used when the option is not given. */
  readonly env?: string
  readonly short?: string
} & (
  | { readonly kind: 'flag' }
  | { readonly kind: 'text' }
  /** May be given several times; each may be a list with commas. */
  | { readonly kind: 'list' }
  | { readonly kind: 'integer'; readonly min: number; readonly max?: number }
  /** `250ms`, `5s`, `10m`, `2h`, `7d`; a bare number is seconds, or refused if `unit` is `required`. In milliseconds. */
  | { readonly kind: 'duration'; readonly unit?: 'required'; readonly min?: number; readonly max?: number }
  /** A date and time (ISO 8601), or a duration: so long ago. */
  | { readonly kind: 'instant' }
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
)

export type CommandOptions = Readonly<Record<string, OptionSpec>>

type ValueOf<Spec extends OptionSpec> = Spec extends { readonly kind: 'flag' }
  ? boolean
  : Spec extends { readonly kind: 'list' }
    ? readonly string[]
    : Spec extends { readonly kind: 'integer' | 'duration' }
      ? number | undefined
      : Spec extends { readonly kind: 'instant' }
        ? Date | undefined
        : Spec extends { readonly kind: 'choice'; readonly choices: readonly (infer Choice)[] }
          ? Choice | undefined
          : string | undefined

/** The values of a table's options, by name. */
export type OptionValues<Table extends CommandOptions> = { readonly [Name in keyof Table]: ValueOf<Table[Name]> }

/** What every command takes, unless it says otherwise. */
export const COMMON_OPTIONS = {
  config: {
    kind: 'text',
    value: 'path',
    env: 'BROADCASTER_CONFIG',
    help: 'The configuration file. Default: broadcaster.config.ts (.mts, .js, .mjs) here or in a folder above.',
  },
  outbox: {
    kind: 'list',
    value: 'name',
    env: 'BROADCASTER_OUTBOX',
    help: 'Of a configuration file that exports several: only these. Commands about single events need one of them.',
  },
  'env-file': { kind: 'text', value: 'path', help: 'Reads environment variables from this file first.' },
  json: { kind: 'flag', env: 'BROADCASTER_JSON', help: 'Prints JSON, for programs.' },
  help: { kind: 'flag', short: 'h', help: 'Shows this help.' },
} as const satisfies CommandOptions

/** How often a command looks, in milliseconds: not all the time, and within what a timer can wait. */
export const PACE = { min: 10, max: 86_400_000 }

/** All options of a command: those that it has in common with others first give way to its own of the same name. */
export function allOptions(
  own: CommandOptions,
  without: readonly (keyof typeof COMMON_OPTIONS)[] | undefined,
): CommandOptions {
  const common = Object.entries(COMMON_OPTIONS).filter(([name]) => !without?.some((one) => one === name))
  return { ...own, ...Object.fromEntries(common), ...own }
}
