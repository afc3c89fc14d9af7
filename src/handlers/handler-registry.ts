import { BroadcasterError } from '../errors.ts'
import type { SchemaOutput, StandardSchema } from '../event/standard-schema.ts'
import { compileTypePattern } from '../event/type-pattern.ts'
import { option } from '../foundation/option-kinds.ts'
import { readOptions } from '../foundation/option-table.ts'
import type { Handler } from './handler.ts'

/** How a handler is registered. */
export interface HandlerOptions {
  /**
   * The name under which the result is stored with the event; unique in the registry and stable across releases, since
   * a retry runs only the handlers that have not succeeded yet. Default: the function's name, or else the pattern and a
   * number.
   */
  readonly name?: string | undefined
}

const HANDLER = {
  name: option<string, string | undefined>('a text', undefined, (value) => typeof value === 'string'),
}

/** A handler as it was registered. */
export interface RegisteredHandler {
  /** The name under which its result is stored with the event. */
  readonly name: string
  /** The types and patterns it was registered for. */
  readonly types: readonly string[]
  /** The function itself. */
  readonly handler: Handler
}

interface Entry extends RegisteredHandler {
  readonly matches: (type: string) => boolean
}

type TypeName<Events> = keyof Events & string
/** What handlers of a type get: the output of its schema, or the data itself. */
type DataOf<Events, Type extends keyof Events> = Events[Type] extends StandardSchema
  ? SchemaOutput<Events[Type]>
  : Events[Type]
/** Anything with a star: see `compileTypePattern`. */
type Pattern = `${string}*${string}`
/** The event type that a handler of this name gets: any for a pattern, and for all without a catalogue. */
type TypeOf<Events, Name extends string> = string extends keyof Events ? string : Name extends Pattern ? string : Name

/**
 * Local handlers by event type. `Events` maps types to their data, or is the type of a catalogue (`typeof events`):
 * then `on('order.created', ...)` knows what it gets and a misspelt type does not compile.
 *
 * @example
 * const registry = new HandlerRegistry<{ 'order.created': Order }>()
 * registry.on('order.created', async (event) => sendReceipt(event.data), { name: 'receipt' })
 * registry.on('order.*', (event) => log.info(String(event)), { name: 'log' })
 */
export class HandlerRegistry<Events = Record<string, unknown>> {
  #entries: readonly Entry[] = []

  /**
   * Registers a handler for one type, several, or patterns (`order.*`, `*`). Several that match the same event run it
   * once. Throws `INVALID_OPTION` for a name that is taken or a pattern that is not valid.
   */
  on<Type extends TypeName<Events>>(
    type: Type | readonly Type[],
    handler: Handler<TypeOf<Events, Type>, DataOf<Events, Type>>,
    options?: HandlerOptions,
  ): this
  on(
    type: Pattern | readonly (Pattern | TypeName<Events>)[],
    handler: Handler<string, DataOf<Events, keyof Events>>,
    options?: HandlerOptions,
  ): this
  on(type: string | readonly string[], handler: Handler<never, never>, options: HandlerOptions = {}): this {
    const types = typeof type === 'string' ? [type] : [...type]
    if (types.length === 0) {
      throw new BroadcasterError('INVALID_OPTION', 'on() needs at least one event type', { field: 'type', value: type })
    }
    if (typeof handler !== 'function') {
      throw new BroadcasterError('INVALID_OPTION', `the handler for ${types.join(', ')} is not a function`, {
        field: 'handler',
        value: handler,
      })
    }
    readOptions('on()', HANDLER, options)
    const tests = types.map(compileTypePattern)
    const name = options.name ?? (handler.name || this.#numbered(types.join(',')))
    if (name === '' || this.#entries.some((entry) => entry.name === name)) {
      throw new BroadcasterError(
        'INVALID_OPTION',
        name === ''
          ? 'the name of a handler cannot be empty'
          : `a handler named '${name}' is registered already; give this one its own with { name: '...' }`,
        { field: 'name', value: name },
      )
    }
    const matches = (candidate: string): boolean => tests.some((test) => test(candidate))
    this.#entries = [...this.#entries, { name, types, handler, matches }]
    return this
  }

  /** Registers a handler for every event. */
  onAll(handler: Handler<string, DataOf<Events, keyof Events>>, options?: HandlerOptions): this {
    return this.on('*', handler, options)
  }

  /** Removes a handler, given as the function or by its name. Returns whether it was there. */
  off(handler: Handler | string): boolean {
    const left = this.#entries.filter((entry) => entry.handler !== handler && entry.name !== handler)
    const found = left.length < this.#entries.length
    this.#entries = left
    return found
  }

  /** The handlers of a type, in the order in which they were registered. */
  handlersFor(type: string): readonly RegisteredHandler[] {
    return this.#entries.filter((entry) => entry.matches(type))
  }

  /** Removes all handlers; with a type or pattern, those registered for exactly that and nothing else. */
  clear(type?: string): void {
    this.#entries = type === undefined ? [] : this.#entries.filter(({ types }) => types.some((own) => own !== type))
  }

  /** How many handlers there are. */
  get size(): number {
    return this.#entries.length
  }

  #numbered(base: string): string {
    for (let n = 1; ; n++) {
      const name = `${base}#${n}`
      if (!this.#entries.some((entry) => entry.name === name)) return name
    }
  }
}
