import { type Problem, requireObject, throwProblems } from './problem.ts'
import { suggestion } from './suggestion.ts'

/** Says what is wrong with an option; the message continues its name: `is 5; give a text`. */
export type Refuse = (message: string, details?: RefusalDetails) => void

export interface RefusalDetails {
  /** Only where it cannot be a secret. */
  readonly value?: unknown
  readonly cause?: unknown
  /** Where in the option: `[3]` or `.name`. */
  readonly at?: string
}

/** How one option is read. The comment above its row in a table is its documentation: sentence, unit, default. */
export interface Option<Given, Resolved = Given> {
  /** What to give, as an error says it: `true or false`. */
  readonly wanted: string
  /** The default; undefined = none, or one that depends on the other options. */
  readonly fallback: Resolved
  /** Reads a value that is not undefined. What it returns after it refused does not count. */
  readonly read: (value: unknown, refuse: Refuse) => Resolved
  readonly required?: boolean
  /**
   * Says where to connect. `default`: there is a default; `needed`: one of the table's places must be given. When it is
   * given as undefined, an environment variable was not set, and the default would be another server than was meant.
   */
  readonly place?: 'default' | 'needed'
  /** A credential. Refused when given as undefined: what was meant to log in, or to sign, would do without. */
  readonly credential?: boolean
  /** For the compiler alone: what may be given. */
  readonly given?: Given
}

/** One row for each option: the only place where its name, check, default and documentation stand. */
export type OptionTable = { readonly [name: string]: Option<unknown, unknown> }

export type MustBeGiven = { readonly required: true }
type GivenOf<One> = One extends Option<infer Value, unknown> ? Value : never
type ReadOf<One> = One extends Option<unknown, infer Value> ? Value : never

/** A text often comes from the environment (`process.env.URL`): a required one is refused at run time if undefined. */
type Required<Value> = string extends Value ? Value | undefined : Value

/** The options that a user gives. What may be left out may be undefined. */
export type OptionsOf<Table> = {
  readonly [Name in keyof Table as Table[Name] extends MustBeGiven ? Name : never]: Required<GivenOf<Table[Name]>>
} & {
  readonly [Name in keyof Table as Table[Name] extends MustBeGiven ? never : Name]?: GivenOf<Table[Name]> | undefined
}

/** The same options, each checked and with its default. */
export type ResolvedOf<Table> = { readonly [Name in keyof Table]: ReadOf<Table[Name]> }

/** What a table's owner gets to check options that depend on each other. */
export interface FinalCheck<Table> {
  /** As they were given, without those that are undefined. */
  readonly given: { readonly [Name in keyof Table]?: GivenOf<Table[Name]> }
  /** The message continues the option's name. `value` only where it cannot be a secret. */
  refuse(name: keyof Table & string, message: string, value?: unknown): void
  /** Where `one` is given, these others would have no effect, and are refused. */
  alone(one: keyof Table & string, others: readonly (keyof Table & string)[]): void
}

/**
 * Reads options once: unknown names are refused with a suggestion, values checked, defaults filled in, the result
 * frozen. `finish` checks what only several options tell, and makes of them what the owner works with. Throws one
 * `INVALID_OPTION` that lists every problem. `owner` is who takes them: `kafka()`; `path` is the prefix of each name:
 * `worker.`.
 */
export function readOptions<Table extends OptionTable>(owner: string, table: Table, options: unknown): ResolvedOf<Table>
export function readOptions<Table extends OptionTable, Result extends object>(
  owner: string,
  table: Table,
  options: unknown,
  finish: (read: ResolvedOf<Table>, check: FinalCheck<Table>) => Result,
  path?: string,
): Readonly<Result>
export function readOptions<Table extends OptionTable>(
  owner: string,
  table: Table,
  options: unknown,
  finish: (read: ResolvedOf<Table>, check: FinalCheck<Table>) => object = (read) => read,
  path = '',
): object {
  const needed = Object.keys(table).filter((name) => table[name]?.required)
  requireObject(owner, options, needed)
  refuseInstance(owner, table, options as object)
  const reading = new Reading(table, options as object, path)
  // With options missing or wrong, `finish` could not tell one from the other.
  const result = reading.isComplete ? finish(reading.read as ResolvedOf<Table>, reading.check()) : {}
  throwProblems(owner, reading.problems)
  return Object.freeze(result)
}

/** Refuses what was given instead of options, such as a pool: one problem, not one for each of its members. */
function refuseInstance(owner: string, table: OptionTable, given: object): void {
  const own: unknown = Object.getPrototypeOf(given) === Object.prototype ? undefined : given.constructor
  const name = typeof own === 'function' && own !== Object ? own.name : ''
  if (name === '' || Object.keys(given).some((key) => Object.hasOwn(table, key))) return
  const names = Object.keys(table)
  const fitting = names.find((each) => name.toLowerCase().includes(each.toLowerCase()))
  const cure = fitting === undefined ? `give an object with ${names.join(', ')}` : `give { ${fitting} }`
  throwProblems(owner, [
    { code: 'INVALID_OPTION', field: 'options', value: undefined, message: `are of the class ${name}; ${cure}` },
  ])
}

const UNSET_AND_NEEDED = 'is undefined; give it a value (is the environment variable set?)'
/** The message for an option that was given as undefined, and would otherwise be ignored. */
export const UNSET = `${UNSET_AND_NEEDED}, or leave it out`

/** One reading of the options of one table. */
class Reading {
  readonly problems: Problem[] = []
  /** A value for each row: where one is wrong, its default. */
  readonly read: Record<string, unknown> = {}
  /** False when one that must be given is missing or wrong: then `read` has no value for it. */
  isComplete = true
  readonly #options: object
  readonly #given: Record<string, unknown> = {}
  readonly #path: string

  constructor(table: OptionTable, options: object, path: string) {
    this.#path = path
    this.#options = options
    const names = Object.keys(table)
    for (const name of Object.keys(options)) {
      if (Object.hasOwn(table, name)) continue
      // Its value is not shown: it may be a password under a misspelt name.
      this.#refuse(name, `is not an option${suggestion(name, names) || `; the options are ${names.join(', ')}`}`)
    }
    this.#take(table, options)
    for (const [name, option] of Object.entries(table)) this.#readOne(name, option)
  }

  check<Table>(): FinalCheck<Table> {
    const given = this.#given
    return {
      given: given as FinalCheck<Table>['given'],
      refuse: (name, message, value) => this.#refuse(name, message, { value }),
      alone: (one, others) => {
        for (const name of given[one] === undefined ? [] : others) {
          if (given[name] !== undefined) this.#refuse(name, `has no effect beside ${one}; leave one of them out`)
        }
      },
    }
  }

  /** Takes each value once, whatever a getter does. */
  #take(table: OptionTable, options: object): void {
    let unset: string | undefined
    let placed = false
    for (const [name, { place, credential }] of Object.entries(table)) {
      if (!(name in options)) continue
      try {
        const value = (options as Record<string, unknown>)[name]
        if (value !== undefined) this.#given[name] = value
        if (place && value === undefined) unset ??= name
        else if (place) placed = true
        if (credential && value === undefined) this.#refuse(name, UNSET)
      } catch (cause) {
        this.isComplete = false
        const said = cause instanceof Error ? cause.message : String(cause)
        this.#refuse(name, `cannot be read: ${said}`, { cause })
      }
    }
    // All may be left out; but when one is given as undefined and none has a value, the value got lost.
    if (placed || unset === undefined) return
    this.#refuse(unset, table[unset]?.place === 'needed' ? UNSET_AND_NEEDED : UNSET)
  }

  #readOne(name: string, { read, fallback, required, wanted }: Option<unknown, unknown>): void {
    const value = this.#given[name]
    const before = this.problems.length
    const result = value === undefined ? fallback : read(value, (message, more) => this.#refuse(name, message, more))
    if (value === undefined && required && this.isComplete) {
      const hint = name in this.#options ? 'is undefined (is the environment variable set?)' : 'is missing'
      this.#refuse(name, `${hint}; give ${wanted}`)
    }
    const fits = this.problems.length === before
    if (required && !fits) this.isComplete = false
    this.read[name] = fits ? result : fallback
  }

  #refuse(name: string, message: string, { at = '', value, ...cause }: RefusalDetails = {}): void {
    this.problems.push({ code: 'INVALID_OPTION', field: this.#path + name + at, value, ...cause, message })
  }
}

/** Reads options within an option; calls `refuse` for what is wrong. */
export function readNested<Table extends OptionTable>(
  table: Table,
  options: object,
  refuse: Refuse,
): ResolvedOf<Table> {
  const { read, problems } = new Reading(table, options, '')
  for (const { field, message, code: _, ...details } of problems) refuse(message, { ...details, at: `.${field}` })
  return read as ResolvedOf<Table>
}
