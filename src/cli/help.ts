import type { Command } from './command.ts'
import { EXIT } from './exit-codes.ts'
import { COMMON_OPTIONS, type OptionSpec, type OptionTable } from './option-table.ts'

/** The help of the whole program. */
export function generalHelp(commands: readonly Command[]): string {
  return [
    'The transactional outbox: publish events inside your transactions, deliver them with workers.',
    '',
    'Usage: broadcaster <command> [options]',
    '',
    ...aligned(commands.map(({ name, summary }) => [name, summary])),
    '',
    'broadcaster <command> --help tells more, and broadcaster --version the version.',
  ].join('\n')
}

/** The help of one command. */
export function commandHelp(command: Command): string {
  const { name, summary, description, positionals = '', options, examples = [] } = command
  const usage = ['broadcaster', name, positionals, '[options]'].filter((word) => word !== '').join(' ')
  return [
    summary,
    ...(description === undefined ? [] : ['', description]),
    '',
    `Usage: ${usage}`,
    '',
    ...optionLines({ ...options, ...COMMON_OPTIONS }),
    ...(examples.length === 0 ? [] : ['', 'Examples:', ...examples.map((example) => `  ${example}`)]),
    '',
    `Exit codes: ${exitCodes()}.`,
  ].join('\n')
}

function optionLines(table: OptionTable): readonly string[] {
  return aligned(
    Object.entries(table).map(([name, spec]) => {
      const env = spec.env === undefined ? '' : ` [${spec.env}]`
      return [`--${name}${valueName(spec)}`, `${spec.help}${env}`]
    }),
  )
}

function valueName(spec: OptionSpec): string {
  if (spec.kind === 'flag') return ''
  if (spec.kind === 'choice') return ` <${spec.choices.join('|')}>`
  return ` <${spec.value ?? (spec.kind === 'integer' ? 'number' : spec.kind)}>`
}

function aligned(rows: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
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
