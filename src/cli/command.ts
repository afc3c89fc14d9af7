import type { Input } from './arguments.ts'
import type { COMMON_OPTIONS, CommandOptions } from './command-options.ts'
import type { Configured } from './config-file.ts'
import type { Screen } from './screen.ts'

/** What a command works with. */
export interface Context {
  readonly terminal: Screen
  /**
   * The outboxes that the configuration file describes, or those of `--outbox`; made at the first call and closed when
   * the command has ended.
   */
  outboxes(): Promise<readonly Configured[]>
  /**
   * The one outbox of a command about single events, once it is known to be there and to fit. Throws `UsageError` when
   * there are several to choose from, and `SCHEMA_MISSING` and the like.
   */
  ready(): Promise<Configured>
}

/** A command of `broadcaster`. */
export interface Command<Table extends CommandOptions = CommandOptions> {
  readonly name: string
  /** One line, for the list of commands. */
  readonly summary: string
  /** What else there is to know, for `--help`. */
  readonly description?: string
  /** What it takes besides options: `<id>`, `[id ...]`. Default: nothing. */
  readonly positionals?: string
  readonly options: Table
  /** Options of every command that mean nothing to this one: they are refused. Default: none. */
  readonly without?: readonly (keyof typeof COMMON_OPTIONS)[]
  readonly examples?: readonly string[]
  /** Resolves with the exit code. */
  run(input: Input<Table>, context: Context): Promise<number>
}

/** Infers the types of a command's options. */
export function defineCommand<const Table extends CommandOptions>(command: Command<Table>): Command<Table> {
  return command
}
