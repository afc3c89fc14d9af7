import { resolve } from 'node:path'
import { stringifyJson } from '../event/json.ts'
import { suggestion } from '../foundation/suggestion.ts'
import type { Store } from '../store/store.ts'
import { readArguments } from './arguments.ts'
import type { Command, Context } from './command.ts'
import { commands } from './commands.ts'
import { type Configured, findConfig, loadConfig } from './config-file.ts'
import { errorFields } from './error-fields.ts'
import { EXIT, exitCodeOf, UsageError } from './exit-codes.ts'
import { commandHelp, generalHelp } from './help.ts'
import { printLines, type Screen, screenOn } from './screen.ts'
import type { Terminal } from './terminal.ts'

/** The columns of help in a pipe or a file. */
const HELP_WIDTH = 80

/** Runs one command line; resolves with the exit code and never rejects. `version` is the package's. */
export async function runCli(args: readonly string[], process: Terminal, version: string): Promise<number> {
  const terminal = screenOn(process)
  const [first, ...rest] = args
  try {
    if (first === '--version' || first === '-v' || first === 'version') {
      terminal.out(version)
      return EXIT.ok
    }
    if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
      const [topic] = rest
      const { width = HELP_WIDTH } = terminal
      printLines(
        terminal.out,
        topic === undefined ? generalHelp(commands, width) : commandHelp(commandNamed(topic), width),
      )
      return first === undefined ? EXIT.usage : EXIT.ok
    }
    return await runCommand(commandNamed(first), rest, terminal)
  } catch (error) {
    report(error, args, terminal)
    return exitCodeOf(error)
  }
}

async function runCommand(command: Command, args: readonly string[], terminal: Screen): Promise<number> {
  const read = () => readArguments(args, command.options, terminal.env, { without: command.without })
  let input = read()
  if (input.options.help) {
    printLines(terminal.out, commandHelp(command, terminal.width ?? HELP_WIDTH))
    return EXIT.ok
  }
  const [surplus] = input.positionals
  if (command.positionals === undefined && surplus !== undefined) {
    throw new UsageError(`${command.name} takes no argument ${surplus}; see broadcaster ${command.name} --help`)
  }
  const envFile = input.options['env-file']
  if (envFile !== undefined) {
    loadEnvironment(resolve(terminal.cwd, envFile))
    // What the file sets may be options of this command.
    input = read()
  }
  let outboxes: readonly Configured[] = []
  const load = async (): Promise<readonly Configured[]> => {
    if (outboxes.length === 0) {
      outboxes = await loadConfig(findConfig(terminal.cwd, input.options.config), input.options.outbox)
    }
    return outboxes
  }
  // Said before anything is done, so that a person about to change the wrong database can see it.
  const told = new Set<Configured>()
  const tell = (one: Configured): void => {
    if (!input.options.json && !told.has(one)) terminal.note(`broadcaster: ${placeLine(one.broadcaster.store)}`, 'dim')
    told.add(one)
  }
  const context: Context = {
    terminal,
    async outboxes() {
      for (const one of await load()) tell(one)
      return outboxes
    },
    async ready() {
      const one = oneOf(await load(), command)
      tell(one)
      await one.broadcaster.store.schema.check()
      return one
    },
  }
  try {
    return await command.run(input, context)
  } finally {
    await Promise.all(outboxes.map(({ broadcaster }) => broadcaster.close()))
  }
}

function oneOf(outboxes: readonly Configured[], command: Command): Configured {
  const [one, ...more] = outboxes
  if (one !== undefined && more.length === 0) return one
  const names = outboxes.map(({ name }) => name).join(', ')
  throw new UsageError(`${command.name} works on one outbox; give one of ${names} with --outbox`)
}

function commandNamed(name: string): Command {
  const found = commands.find((command) => command.name === name)
  if (found) return found
  const names = commands.map((command) => command.name)
  const hint = suggestion(name, names) || `; there are ${names.join(', ')}`
  throw new UsageError(`there is no command ${name}${hint}`)
}

function loadEnvironment(path: string): void {
  try {
    process.loadEnvFile(path)
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause)
    throw new UsageError(`--env-file ${path} cannot be read; give a file with lines such as NAME=value: ${said}`)
  }
}

/** The error for a person; with `--json` for a program. The cause chain only when it says more. */
function report(error: unknown, args: readonly string[], terminal: Screen): void {
  const fields = errorFields(error)
  if (args.includes('--json')) {
    terminal.noteVerbatim(stringifyJson({ error: fields }))
    return
  }
  // The problems of a configuration are on a line each; whatever came from elsewhere can only begin a line like those.
  const [first = '', ...more] = fields.message.split('\n')
  terminal.note(`broadcaster: ${first}`, 'red')
  for (const line of more) terminal.note(`  ${line}`, 'red')
  // Ours say all in the message; of a stranger the place is worth having.
  if (fields.code === 'UNEXPECTED' && error instanceof Error && error.stack !== undefined) {
    printLines(terminal.note, error.stack)
  }
}

/** Where a store's tables are, on one line: `postgres outbox.outbox_events at 127.0.0.1:5432/shop`. Never a password. */
function placeLine({ description, place }: Pick<Store, 'description' | 'place'>): string {
  return place === undefined ? description : `${description} at ${place}`
}
