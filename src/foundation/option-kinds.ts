import {
  type MustBeGiven,
  type Option,
  type OptionsOf,
  type OptionTable,
  type Refuse,
  type ResolvedOf,
  readNested,
} from './option-table.ts'
import { showValue, showWithoutSecrets } from './problem.ts'
import { LONGEST_TIMER } from './waiting.ts'

/** The kinds of options: what a row of an `OptionTable` says. */

/** What is made of a value: undefined = it does not fit. */
type Parse<Resolved> = (value: unknown) => Resolved | undefined

/** What `parse` makes of the value. An error shows the value, but no password in it. */
export function parsed<Given, Resolved>(
  wanted: string,
  fallback: Resolved,
  parse: Parse<Resolved>,
): Option<Given, Resolved> {
  const read = (value: unknown, refuse: Refuse): Resolved => {
    const result = parse(value)
    if (result === undefined) refuse(`is ${showWithoutSecrets(value)}; give ${wanted}`)
    return result as Resolved
  }
  return { wanted, fallback, read }
}

/** Whatever passes `fits`. */
export function option<Given, Resolved = Given>(
  wanted: string,
  fallback: Resolved,
  fits: (value: unknown) => boolean,
): Option<Given, Resolved> {
  return parsed(wanted, fallback, (value) => (fits(value) ? (value as Resolved) : undefined))
}

/** A number, a switch, a choice: never a secret, so the error may carry the value. */
function open<Given, Resolved>(
  wanted: string,
  fallback: Resolved,
  fits: (value: unknown) => boolean,
): Option<Given, Resolved> {
  const read = (value: unknown, refuse: Refuse): Resolved => {
    if (!fits(value)) refuse(`is ${showValue(value)}; give ${wanted}`, { value })
    return value as Resolved
  }
  return { wanted, fallback, read }
}

interface Range {
  readonly min: number
  readonly max?: number
}

/** A time in whole milliseconds. */
export function duration<const Fallback extends number | undefined>(
  fallback: Fallback,
  { min, max = LONGEST_TIMER }: Range = { min: 1 },
): Option<number, number | Fallback> {
  return whole('milliseconds', fallback, min, max)
}

/** A whole number. */
export function integer<const Fallback extends number | undefined>(
  fallback: Fallback,
  { min, max = Number.MAX_SAFE_INTEGER }: Range,
): Option<number, number | Fallback> {
  return whole('a whole number', fallback, min, max)
}

/** A number, which need not be whole. */
export function number<const Fallback extends number | undefined>(
  fallback: Fallback,
  { min, max = Number.MAX_SAFE_INTEGER }: Range,
): Option<number, number | Fallback> {
  return open(`a number from ${min} to ${max}`, fallback, (value) => {
    return typeof value === 'number' && value >= min && value <= max
  })
}

/** A size in bytes. */
export function bytes<const Fallback extends number | undefined>(
  fallback: Fallback,
  { min, max = Number.MAX_SAFE_INTEGER }: Range,
): Option<number, number | Fallback> {
  return whole('a number of bytes', fallback, min, max)
}

function whole<Fallback>(
  what: string,
  fallback: Fallback,
  min: number,
  max: number,
): Option<number, number | Fallback> {
  const range = max === Number.MAX_SAFE_INTEGER ? `${what}, ${min} or more` : `${what} from ${min} to ${max}`
  return open(range, fallback, (value) => Number.isInteger(value) && Number(value) >= min && Number(value) <= max)
}

/** A switch. */
export function flag<const Fallback extends boolean | undefined>(
  fallback: Fallback,
): Option<boolean, boolean | Fallback> {
  return open('true or false', fallback, (value) => typeof value === 'boolean')
}

/** One of several words or numbers. */
export function oneOf<
  const Values extends readonly (string | number)[],
  const Fallback extends Values[number] | undefined,
>(fallback: Fallback, ...values: Values): Option<Values[number], Values[number] | Fallback> {
  const wanted = values.map((value) => (typeof value === 'string' ? `'${value}'` : value)).join(' or ')
  return open(wanted, fallback, (value) => (values as readonly unknown[]).includes(value))
}

/** A text that is not empty. */
export function text<const Fallback extends string | undefined>(
  fallback: Fallback,
  { max }: { readonly max?: number } = {},
): Option<string, string | Fallback> {
  const wanted = max === undefined ? 'a text that is not empty' : `a text of 1 to ${max} characters`
  return option(wanted, fallback, (value) => {
    return typeof value === 'string' && value !== '' && (max === undefined || value.length <= max)
  })
}

/** One or more texts that all pass `fits`. With a `separator` one text may hold several. */
export function texts<Fallback extends readonly string[] | undefined>(
  wanted: string,
  fallback: Fallback,
  fits: (value: string) => boolean,
  { separator }: { readonly separator?: string } = {},
): Option<string | readonly string[], readonly string[] | Fallback> {
  return parsed(`${wanted}, or a list of them`, fallback as readonly string[] | Fallback, (value) => {
    const given: readonly unknown[] = Array.isArray(value) ? value : [value]
    if (given.length === 0 || !given.every((each) => typeof each === 'string')) return undefined
    const list =
      separator === undefined ? given : given.flatMap((each) => each.split(separator)).map((each) => each.trim())
    return list.every(fits) ? list : undefined
  })
}

/** A function. */
export function callback<Call extends (...args: never[]) => unknown>(wanted: string): Option<Call, Call | undefined> {
  return option(wanted, undefined, (value) => typeof value === 'function')
}

/** An object of the application's, such as a client, that has these methods. */
export function having<Thing>(
  wanted: string,
  ...methods: readonly (keyof Thing & string)[]
): Option<Thing, Thing | undefined> {
  return secret(option(wanted, undefined, (value) => hasMethods(value, methods)))
}

/** Whether it is an object, or a function, with these methods. */
export function hasMethods(value: unknown, methods: readonly string[]): boolean {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return false
  return methods.every((name) => typeof Reflect.get(value, name) === 'function')
}

/** Checked by its owner where it is used. With `wanted` null is refused here: an owner would take it for a value left out. */
export function anything<Given>(wanted?: string): Option<Given, Given | undefined> {
  return option(wanted ?? 'anything', undefined, (value) => wanted === undefined || value !== null)
}

/** An object whose members we only pass on, such as options of a client. */
export function passedOn<Thing extends object, const Fallback extends Thing | undefined>(
  wanted: string,
  fallback: Fallback,
): Option<Thing, Thing | Fallback> {
  return secret(option(wanted, fallback as Thing | Fallback, isObject))
}

/** Options within an option. Where it is left out, the defaults of its table count. */
export function nested<Table extends OptionTable>(table: Table): Option<OptionsOf<Table>, ResolvedOf<Table>> {
  const fallback = Object.fromEntries(Object.entries(table).map(([name, { fallback }]) => [name, fallback]))
  const wanted = `{ ${Object.keys(table).join(', ')} }`
  return {
    wanted,
    fallback: fallback as ResolvedOf<Table>,
    read: (value, refuse) => {
      if (!isObject(value)) {
        refuse(`is ${showWithoutSecrets(value)}; give ${wanted}`)
        return fallback as ResolvedOf<Table>
      }
      return readNested(table, value, refuse)
    },
  }
}

/** A list, each of which is read as `one`. */
export function listOf<Given, Resolved>(one: Option<Given, Resolved>): Option<readonly Given[], readonly Resolved[]> {
  const wanted = `a list, each ${one.wanted}`
  const read = (value: unknown, refuse: Refuse): readonly Resolved[] => {
    if (Array.isArray(value)) {
      return value.map((each, n) => {
        const refuseEach: Refuse = (message, more) => refuse(message, { ...more, at: `[${n}]${more?.at ?? ''}` })
        return one.read(each, refuseEach)
      })
    }
    refuse(`is ${showWithoutSecrets(value)}; give ${wanted}`)
    return []
  }
  return { wanted, fallback: [], read }
}

/** The same, but a text may stand for the object that `expand` makes of it. */
export function shorthand<Given, Resolved>(
  one: Option<Given, Resolved>,
  expand: (text: string) => Given,
): Option<string | Given, Resolved> {
  const read = (value: unknown, refuse: Refuse): Resolved =>
    one.read(typeof value === 'string' ? expand(value) : value, refuse)
  return { ...(one as Option<string | Given, Resolved>), read }
}

/** The same, with this default. */
export function byDefault<Given, Resolved, const Fallback>(
  fallback: Fallback,
  one: Option<Given, Resolved>,
): Option<Given, Resolved | Fallback> {
  return { ...one, fallback }
}

/** The same, but what was given stays as it is: for defaults that are filled in elsewhere. */
export function asGiven<Given>(one: Option<Given, unknown>): Option<Given, Given | undefined> {
  const read = (value: unknown, refuse: Refuse): Given => {
    one.read(value, refuse)
    return value as Given
  }
  return { ...one, fallback: undefined, read }
}

/** The same, without a default. */
export function optional<Given, Resolved>(one: Option<Given, Resolved>): Option<Given, Resolved | undefined> {
  return byDefault(undefined, one)
}

/** The same, or one of these values, kept as they are: `or(duration(1_000), null)`. */
export function or<Given, Resolved, const Instead extends readonly (string | boolean | null)[]>(
  one: Option<Given, Resolved>,
  ...instead: Instead
): Option<Given | Instead[number], Resolved | Instead[number]> {
  const wanted = `${one.wanted}, or ${instead.map((each) => (typeof each === 'string' ? `'${each}'` : String(each))).join(' or ')}`
  const stands = (value: unknown): value is Instead[number] => (instead as readonly unknown[]).includes(value)
  const says = (message: string): string => message.replace(`give ${one.wanted}`, `give ${wanted}`)
  return {
    ...(one as Option<Given | Instead[number], Resolved | Instead[number]>),
    wanted,
    read: (value, refuse) => (stands(value) ? value : one.read(value, (message, more) => refuse(says(message), more))),
  }
}

/** It must be given. */
export function required<Given, Resolved>(
  one: Option<Given, Resolved>,
): Option<Given, Exclude<Resolved, undefined>> & MustBeGiven {
  return { ...(one as Option<Given, Exclude<Resolved, undefined>>), required: true }
}

/** No error shows its value. */
export function secret<Given, Resolved>(one: Option<Given, Resolved>): Option<Given, Resolved> {
  const read = (value: unknown, refuse: Refuse): Resolved =>
    one.read(value, (_message, more) =>
      refuse(`is ${kindOf(value)} that does not fit; give ${one.wanted}`, more?.at ? { at: more.at } : {}),
    )
  return { ...one, read }
}

function kindOf(value: unknown): string {
  if (value === null || typeof value === 'boolean') return `a ${value}`
  if (typeof value === 'string') return value === '' ? 'an empty text' : 'a text'
  return typeof value === 'object' ? (Array.isArray(value) ? 'a list' : 'an object') : `a ${typeof value}`
}

/** It says where to connect, and there is a default. */
export function place<One extends Option<unknown, unknown>>(one: One): One {
  return { ...one, place: 'default' }
}

/** It says where to connect, and one of those that do must be given. */
export function neededPlace<One extends Option<unknown, unknown>>(one: One): One {
  const read: One['read'] = (value, refuse) =>
    one.read(value, (said, more) => refuse(value === '' ? `${said} (is the environment variable set?)` : said, more))
  return { ...one, place: 'needed', read }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
