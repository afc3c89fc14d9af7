import { BroadcasterError } from '../errors.ts'
import { compileTypePattern } from '../event/type-pattern.ts'
import type { OutboxEvent } from '../record/outbox-event.ts'

/** What a handler gets beside the event. */
export interface HandlerContext {
  /** Aborts when the handler's time is over or the lease is lost: stop as soon as possible. */
  readonly signal: AbortSignal
  /** The store's native transaction, which also settles the event. Only with `handlers(registry, { transactional: true })`. */
  readonly tx?: unknown
}

/** Local code for an event. Returning (or resolving) means done; throwing means that it runs again later. */
export type Handler<Data = unknown> = (event: OutboxEvent<Data>, context: HandlerContext) => unknown

export interface HandlerOptions {
  /**
   * Under which the result is stored with the event; unique in the registry and stable across releases, since a retry
   * runs only the handlers that have not succeeded yet. Default: the function's name, or else the pattern and a number.
   */
  readonly name?: string
}

/** A handler as it was registered. */
export interface RegisteredHandler {
  readonly name: string
  /** The types and patterns it was registered for. */
  readonly types: readonly string[]
  readonly handler: Handler<never>
}

interface Entry extends RegisteredHandler {
  readonly matches: (type: string) => boolean
}

type TypeName<Events> = keyof Events & string
/** Anything with a star: see `compileTypePattern`. */
type Pattern = `${string}*${string}`

/**
 * Local handlers by event type. `Events` maps types to their data: with a catalogue, `on('order.created', ...)` knows
 * what it gets and a misspelt type does not compile.
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
   * once. Throws `INVALID_OPTION` for a name that is taken or a pattern that is not one.
   */
  on<Type extends TypeName<Events>>(
    type: Type | readonly Type[],
    handler: Handler<Events[Type]>,
    options?: HandlerOptions,
  ): this
  on(
    type: Pattern | readonly (Pattern | TypeName<Events>)[],
    handler: Handler<Events[keyof Events]>,
    options?: HandlerOptions,
  ): this
  on(type: string | readonly string[], handler: Handler<never>, options: HandlerOptions = {}): this {
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
  onAll(handler: Handler<Events[keyof Events]>, options?: HandlerOptions): this {
    return this.on('*', handler, options)
  }

  /** Removes a handler, given as the function or by its name. Returns whether it was there. */
  off(handler: Handler<never> | string): boolean {
    const left = this.#entries.filter((entry) => entry.handler !== handler && entry.name !== handler)
    const found = left.length < this.#entries.length
    this.#entries = left
    return found
  }

  /** The handlers of a type, in the order in which they were registered. */
  handlersFor(type: string): readonly RegisteredHandler[] {
    return this.#entries.filter((entry) => entry.matches(type))
  }

  /** Removes all handlers; with a type or pattern those that were registered for it, as written, and for nothing else. */
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
