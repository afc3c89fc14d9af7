import type { Command } from './command.ts'
import { allOptions, type CommandOptions, type OptionSpec } from './command-options.ts'
import { EXIT } from './exit-codes.ts'
import { wrapLine } from './wrap.ts'

/** The help of the whole program. */
export function generalHelp(commands: readonly Command[], width: number | undefined): string {
  return [
    ...prose('The transactional outbox: publish events inside your transactions, deliver them with workers.', width),
    '',
    'Usage: broadcaster <command> [options]',
    '',
    ...aligned(
      commands.map(({ name, summary }) => [name, summary]),
      width,
    ),
    '',
    ...prose('broadcaster <command> --help tells more, and broadcaster --version the version.', width),
  ].join('\n')
}

/** The help of one command. */
export function commandHelp(command: Command, width: number | undefined): string {
  const { name, summary, description, positionals = '', options, without, examples = [] } = command
  const usage = ['broadcaster', name, positionals, '[options]'].filter((word) => word !== '').join(' ')
  return [
    ...prose(summary, width),
    ...(description === undefined ? [] : ['', ...prose(description, width)]),
    '',
    `Usage: ${usage}`,
    '',
    ...optionLines(allOptions(options, without), width),
    ...(examples.length === 0 ? [] : ['', 'Examples:', ...examples.map((example) => `  ${example}`)]),
    '',
    ...prose(`Exit codes: ${exitCodes()}.`, width),
  ].join('\n')
}

function optionLines(table: CommandOptions, width: number | undefined): readonly string[] {
  return aligned(
    Object.entries(table).map(([name, spec]) => {
      const env = spec.env === undefined ? '' : ` [${spec.env}]`
      return [`--${name}${valueName(spec)}`, `${spec.help}${env}`]
    }),
    width,
  )
}

function valueName(spec: OptionSpec): string {
  if (spec.kind === 'flag') return ''
  if (spec.kind === 'choice') return ` <${spec.choices.join('|')}>`
  return ` <${spec.value ?? (spec.kind === 'integer' ? 'number' : spec.kind)}>`
}

/** As it is written where there is no terminal; there its own line breaks would fit no window. */
function prose(text: string, width: number | undefined): readonly string[] {
  return width === undefined ? [text] : wrapLine(text.replaceAll('\n', ' '), width, 0)
}

/** Less than this many columns for the right side, and it goes below the left one instead. */
const NARROW = 36

/** Two columns; the right one wrapped within a window of this width, or on lines of its own. */
function aligned(rows: readonly (readonly [string, string])[], width: number | undefined): readonly string[] {
  const left = Math.max(...rows.map(([name]) => name.length))
  if (width !== undefined && width - left - 4 < NARROW) {
    return rows.flatMap(([name, text]) => [`  ${name}`, ...wrapLine(`      ${text}`, width, 0)])
  }
  return rows.flatMap(([name, text]) => wrapLine(`  ${name.padEnd(left)}  ${text}`, width, left + 2))
}

function exitCodes(): string {
  const meaning: Record<keyof typeof EXIT, string> = {
    ok: 'done',
    failure: 'failed',
    usage: 'wrong command line',
    config: 'no configuration',
    schema: 'outbox missing or of another version',
    store: 'database out of reach',
    unhealthy: 'a backend is not healthy',
    notFound: 'no such event',
  }
  const names = Object.keys(EXIT) as (keyof typeof EXIT)[]
  return names.map((name) => `${EXIT[name]} ${meaning[name]}`).join(', ')
}
