import { type Problem, requireObject, showValue, throwProblems } from '../problem.ts'
import { suggestion } from '../suggestion.ts'
import { UNDEFINED_PLACE, undefinedOption } from '../undefined-option.ts'

interface Range {
  readonly min: number
  readonly max: number
}

/**
 * Reads a backend's options, collects every problem, and throws them all in one `INVALID_OPTION`. That carries the value
 * of a number, a switch or a choice, and of nothing else: others, and a misspelt name, may hold a password.
 */
export class OptionCheck {
  readonly #what: string
  readonly #options: Readonly<Record<string, unknown>>
  readonly #problems: Problem[] = []

  /** `known` are the names that the factory takes; any other is a problem. */
  constructor(factory: string, options: object, known: readonly string[]) {
    this.#what = `${factory}()`
    requireObject(this.#what, options)
    this.#options = options as Readonly<Record<string, unknown>>
    for (const name of Object.keys(options)) {
      if (known.includes(name)) continue
      this.problem(name, `is not an option${suggestion(name, known) || `; the options are ${known.join(', ')}`}`)
    }
  }

  /** Notes a problem of one option; `message` continues its name. */
  problem(field: string, message: string): void {
    this.#refuse(field, undefined, message)
  }

  /**
   * These options say where to connect, and there is a default. They may all be left out; but where none has a value and one
   * is given as undefined, a variable of the environment was not set, and the default is another server than was meant.
   */
  places(...names: readonly string[]): void {
    const unset = undefinedOption(this.#options, names)
    if (unset === undefined || names.some((name) => this.#options[name] !== undefined)) return
    this.problem(unset, UNDEFINED_PLACE)
  }

  /** An integer within a range. */
  integer(field: string, fallback: number, { min, max }: Range): number {
    const value = this.#options[field]
    if (value === undefined) return fallback
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
    this.#refuse(field, value, `must be an integer from ${min} to ${max}, not ${showValue(value)}`)
    return fallback
  }

  /** A duration in milliseconds, 1 to 2^31 - 1 (the longest timer). */
  milliseconds(field: string, fallback: number): number {
    return this.integer(field, fallback, { min: 1, max: 2 ** 31 - 1 })
  }

  boolean(field: string, fallback: boolean): boolean {
    const value = this.#options[field]
    if (value === undefined) return fallback
    if (typeof value === 'boolean') return value
    this.#refuse(field, value, `must be true or false, not ${showValue(value)}`)
    return fallback
  }

  /** A non-empty string, or undefined when not given. */
  text(field: string): string | undefined {
    const value = this.#options[field]
    if (value === undefined || (typeof value === 'string' && value !== '')) return value
    this.problem(
      field,
      `must be a non-empty string, not ${value === '' ? 'an empty one' : `a value of type ${typeof value}`}`,
    )
    return undefined
  }

  /** A part of the url that stands in `field`, without its percent-encoding; undefined when it is empty. */
  decoded(field: string, part: string | undefined): string | undefined {
    try {
      return part ? decodeURIComponent(part) : undefined
    } catch {
      this.problem(field, 'has a part whose percent-encoding is wrong')
      return undefined
    }
  }

  oneOf<Value extends string>(field: string, fallback: Value, values: readonly Value[]): Value {
    const value = this.#options[field]
    if (value === undefined) return fallback
    const found = values.find((candidate) => candidate === value)
    if (found !== undefined) return found
    this.#refuse(field, value, `must be ${values.map((each) => `'${each}'`).join(' or ')}, not ${showValue(value)}`)
    return fallback
  }

  /** Throws when a problem was noted. */
  done(): void {
    throwProblems(this.#what, this.#problems)
  }

  #refuse(field: string, value: unknown, message: string): void {
    this.#problems.push({ code: 'INVALID_OPTION', field, value, message })
  }
}
