import { BroadcasterError } from '../errors.ts'
import type { Catalogue, DataOutput, NoCatalogue } from '../event/catalogue.ts'
import { compileTypePattern } from '../event/type-pattern.ts'
import { type Problem, throwProblems } from '../foundation/problem.ts'
import { suggestion } from '../foundation/suggestion.ts'
import type { Handler } from '../handlers/handler.ts'

/** The types of a catalogue, and patterns, which may match several of them; without a catalogue any name. */
type NameOf<Events> = [keyof Events] extends [never] ? string : (keyof Events & string) | `${string}*`

/** The event type that a handler of this name gets; any type for a pattern. */
type TypeOf<Events, Name> = Name extends keyof Events & string ? Name : string

/**
 * Handlers by event type, or by a pattern such as `order.*`. With a catalogue, types are checked by the compiler. A
 * mapped type and not a conditional one: the compiler would resolve that before it knows `Tx`.
 */
export type EventHandlers<Events extends Catalogue | NoCatalogue = NoCatalogue, Tx = unknown> = {
  readonly [Name in NameOf<Events>]?: Handler<TypeOf<Events, Name>, DataOutput<Events, Name>, Tx>
}

interface Entry {
  readonly matches: (type: string) => boolean
  readonly handler: Handler
}

/** The handlers of a consumer, found by event type. */
export class HandlerTable {
  readonly #entries: readonly Entry[]
  readonly #found = new Map<string, readonly Handler[]>()

  /**
   * Throws `INVALID_OPTION` when there is no handler at all, and for a handler that is not a function, a pattern that
   * is not valid, or one that no event of the catalogue could ever match.
   */
  constructor(handlers: object, catalogue?: Catalogue) {
    const given = Object.entries(handlers)
    if (given.length === 0) {
      throw new BroadcasterError('INVALID_OPTION', "handlers is empty; give at least one, such as { 'order.*': ... }", {
        field: 'handlers',
        value: handlers,
      })
    }
    this.#entries = given.map(([type, handler]: [string, unknown]) => {
      if (typeof handler !== 'function') {
        throw new BroadcasterError('INVALID_OPTION', `handlers['${type}'] is not a function`, {
          field: `handlers.${type}`,
          value: handler,
        })
      }
      return { matches: compileTypePattern(type), handler: handler as Handler }
    })
    const types = Object.keys(catalogue ?? {})
    // An empty catalogue types nothing: the compiler takes any name beside it, too.
    if (types.length === 0) return
    const unreached = given.filter((_, n) => !types.some((type) => this.#entries[n]?.matches(type)))
    throwProblems(
      'the consumer',
      unreached.map(([name]) => unreachedProblem(name, types)),
    )
  }

  /** The handlers of a type, in the order in which they were given. */
  of(type: string): readonly Handler[] {
    const known = this.#found.get(type)
    if (known) return known
    const handlers = this.#entries.filter(({ matches }) => matches(type)).map(({ handler }) => handler)
    // Types come from outside: a sender that makes them up must not fill our memory.
    if (this.#found.size < 1_000) this.#found.set(type, handlers)
    return handlers
  }
}

function unreachedProblem(name: string, types: readonly string[]): Problem {
  const what = name.includes('*') ? 'matches no event of the catalogue' : 'is not an event of the catalogue'
  const message = `${what}${suggestion(name, types) || `; its events are ${types.join(', ')}`}`
  return { code: 'INVALID_OPTION', field: `handlers.${name}`, value: name, message }
}
