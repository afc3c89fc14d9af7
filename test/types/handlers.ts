/** Compiled, never run: a handler moves between the relay and a consumer untouched. */
import { z } from 'zod'
import { HandlerRegistry } from '../../src/handlers.ts'
import type { Consumer, ConsumerOptions, DeliveryEvent, Handler, HandlerContext } from '../../src/index.ts'
import { Consumer as AnyConsumer } from '../../src/index.ts'

const catalogue = {
  'order.created': z.object({ id: z.string(), total: z.number().default(0) }),
  'order.paid': z.object({ id: z.string() }),
}
interface Order {
  id: string
  total: number
}
interface Tx {
  query(text: string): Promise<unknown>
}
declare const parts: Pick<ConsumerOptions<Tx>, 'name' | 'subscription' | 'store'>

type Same<One, Other> = (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false
const same = <One, Other>(yes: Same<One, Other>): boolean => yes

/** As one writes them by themselves, with what they expect. */
declare const anyEvent: (event: DeliveryEvent, context: HandlerContext) => void
declare const ofOrder: (event: DeliveryEvent<string, Order>, context: HandlerContext<Tx>) => Promise<void>
declare const ofCreated: (event: DeliveryEvent<'order.created', Order>, context: HandlerContext<Tx>) => Promise<void>
declare const ofNumber: (event: DeliveryEvent<'order.created', number>) => void
declare const named: Handler<'order.created', Order, Tx>

export function withoutCatalogue(): readonly [HandlerRegistry, Consumer<Tx>] {
  const registry = new HandlerRegistry()
    .on('order.created', anyEvent)
    .on('order.created', ofOrder)
    .on(['order.created', 'order.*'], ofOrder)
    .onAll(anyEvent)
    .on('order.*', (event, context) => {
      same<typeof event, DeliveryEvent>(true)
      same<typeof context, HandlerContext>(true)
    })
  const consumer = new AnyConsumer({
    ...parts,
    handlers: {
      'order.created': ofOrder,
      'order.paid': anyEvent,
      '*': (event, context) => {
        same<typeof event, DeliveryEvent>(true)
        same<typeof context, HandlerContext<Tx>>(true)
      },
    },
  })
  return [registry, consumer]
}

export function withCatalogue(): readonly [HandlerRegistry<typeof catalogue>, Consumer<Tx, typeof catalogue>] {
  const registry = new HandlerRegistry<typeof catalogue>()
    .on('order.created', anyEvent)
    .on('order.created', ofOrder)
    .on('order.created', ofCreated)
    .on('order.created', named)
    .on('order.created', (event, { attempt, deliveries, position, signal }) => {
      same<typeof event, DeliveryEvent<'order.created', Order>>(true)
      return [attempt + deliveries, position.length, signal.aborted]
    })
  // @ts-expect-error its data is another
  registry.on('order.created', ofNumber)
  // @ts-expect-error no such event
  registry.on('order.craeted', anyEvent)
  const consumer = new AnyConsumer({
    ...parts,
    events: catalogue,
    handlers: {
      'order.created': (event, { attempt, deliveries, position, signal }) => {
        same<typeof event, DeliveryEvent<'order.created', Order>>(true)
        return [attempt + deliveries, position.length, signal.aborted]
      },
      'order.*': anyEvent,
    },
  })
  for (const handler of [ofOrder, ofCreated, named, anyEvent]) {
    new AnyConsumer({ ...parts, events: catalogue, handlers: { 'order.created': handler } })
  }
  // @ts-expect-error its data is another
  new AnyConsumer({ ...parts, events: catalogue, handlers: { 'order.created': ofNumber } })
  return [registry, consumer]
}

/** From a map of types, as from a catalogue. */
export const ofMap = new HandlerRegistry<{ 'order.created': Order }>().on('order.created', ofCreated)
