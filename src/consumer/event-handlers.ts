import { BroadcasterError } from '../errors.ts'
import type { Catalogue, DataOutput, NoCatalogue } from '../event/catalogue.ts'
import type { CloudEvent } from '../event/cloud-event.ts'
import { compileTypePattern } from '../event/type-pattern.ts'

/** An event as a handler gets it: a CloudEvent; with a catalogue, `data` is what its schema gave, and never left out. */
export type ReceivedEvent<Type extends string = string, Data = unknown> = CloudEvent<Data> & {
  readonly type: Type
  readonly data: Data
}

/** What a handler gets beside the event. */
export interface EventContext<Tx = unknown> {
  /**
   * The open transaction that also marks the event as handled: what is written on it commits if and only if every
   * handler of the event succeeds. Undefined with `inbox: false`.
   */
  readonly tx: Tx
  /** Aborts when `handlerTimeout` is over, when the broker took the message back, or at the end of `stopTimeout`. */
  readonly signal: AbortSignal
  /** Counts from 1, in this process. */
  readonly attempt: number
  /** How often the broker has handed the message out, this time included; 1 where it does not count. */
  readonly deliveries: number
  /** Where the message stood, for people. */
  readonly position: string
}

/**
 * Code for one event. Returning (or resolving) means done; throwing means that it is tried again later. A handler may
 * declare the data that it expects: without a catalogue the compiler takes its word for it.
 */
export type EventHandler<Type extends string = string, Data = unknown, Tx = unknown> = {
  // A method, since only of methods the compiler accepts a narrower parameter.
  handle(event: ReceivedEvent<Type, Data>, context: EventContext<Tx>): unknown
}['handle']

/** The types of a catalogue, and patterns, which may stand for several of them; without a catalogue any name. */
type NameOf<Events> = [keyof Events] extends [never] ? string : (keyof Events & string) | `${string}*`

/** The type of the events that a handler of this name gets: a pattern's are of any. */
type TypeOf<Events, Name> = Name extends keyof Events & string ? Name : string

/**
 * Handlers by event type, or by a pattern such as `order.*`. With a catalogue, types are checked by the compiler. One
 * mapped type and no conditional one, for which the compiler would not wait until it knows `Tx`.
 */
export type EventHandlers<Events extends Catalogue | NoCatalogue = NoCatalogue, Tx = unknown> = {
  readonly [Name in NameOf<Events>]?: EventHandler<TypeOf<Events, Name>, DataOutput<Events, Name>, Tx>
}

type AnyHandler = EventHandler

interface Entry {
  readonly matches: (type: string) => boolean
  readonly handler: AnyHandler
}

/** The handlers of a consumer, found by event type. */
export class HandlerTable {
  readonly #entries: readonly Entry[]
  readonly #found = new Map<string, readonly AnyHandler[]>()

  /** Throws `INVALID_OPTION` for no handler at all, for what is no function, and for a pattern that is none. */
  constructor(handlers: object) {
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
      return { matches: compileTypePattern(type), handler: handler as AnyHandler }
    })
  }

  /** The handlers of a type, in the order in which they were given. */
  of(type: string): readonly AnyHandler[] {
    const known = this.#found.get(type)
    if (known) return known
    const handlers = this.#entries.filter(({ matches }) => matches(type)).map(({ handler }) => handler)
    // Types come from outside: a sender that makes them up must not fill the memory.
    if (this.#found.size < 1_000) this.#found.set(type, handlers)
    return handlers
  }
}
