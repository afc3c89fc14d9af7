import { Broadcaster, type EventInput, OutageError, PermanentError, type PublishOptions } from 'ts-broadcaster'
import { memoryBackend } from 'ts-broadcaster/memory'
import type { Store } from '../../src/store/store.ts'

/** More than are moved without typing their number. */
export const MANY = 120

/** An exact number that no double holds. */
export const BIG = '9007199254740993127'

/** What nobody may render: it stands in every text of an event. */
export const HOSTILE = '<img src=x onerror=alert(1)>"\'&'

/** An outbox with four backends, in the state of a bad afternoon. */
export async function plantedOutbox(store: Store, { isEmpty = false } = {}) {
  const backends = {
    default: memoryBackend(),
    partners: memoryBackend(),
    billing: memoryBackend(),
    analytics: memoryBackend(),
  }
  const broadcaster = new Broadcaster({ name: 'shop-production', store, backends, logger: false })
  const drain = (): Promise<number> => broadcaster.processPendingEvents()
  if (!isEmpty) await plant(broadcaster, backends, drain)
  return { broadcaster, backends, drain }
}

export type PlantedOutbox = Awaited<ReturnType<typeof plantedOutbox>>

async function plant(
  broadcaster: Broadcaster<unknown>,
  backends: Readonly<Record<'default' | 'partners' | 'billing' | 'analytics', ReturnType<typeof memoryBackend>>>,
  drain: () => Promise<number>,
): Promise<void> {
  const publish = (events: readonly EventInput[], options: PublishOptions = {}): Promise<unknown> =>
    broadcaster.transaction((tx) => broadcaster.publishMany(tx, events, options))
  const order = (n: number, type = 'order.placed'): EventInput => ({
    type,
    source: '/shop/checkout',
    subject: `order-${n}`,
    partitionKey: `order-${n}`,
    data: { id: `order-${n}`, total: 129.9, lines: [{ sku: 'TENT-2P-OLV', quantity: 1 }], note: null },
  })

  // Delivered.
  await publish([1, 2, 3, 4, 5, 6, 7, 8].map((n) => order(88_000 + n)))
  await drain()

  // Refused for good: three keys are blocked, and what follows in them waits.
  const analytics = { backend: 'analytics' }
  backends.analytics.faults.fail(
    { type: 'order.placed' },
    new PermanentError('schema 41 refuses data.total: expected long, got "129.90"'),
  )
  backends.analytics.faults.fail({ type: 'cart.snapshot' }, new PermanentError('no answer within 5000 ms'))
  await publish(
    [88_101, 88_102, 88_103].map((n) => order(n)),
    analytics,
  )
  const carts = Array.from({ length: MANY }, (_, n) => ({ type: 'cart.snapshot', source: '/shop', data: { n } }))
  await publish(carts, analytics)
  await drain()
  await publish(
    [88_101, 88_101, 88_102, 88_103].map((n) => order(n, 'order.paid')),
    analytics,
  )
  await drain()

  // Down, and paused.
  backends.partners.faults.down(new OutageError('503 Service Unavailable'))
  await publish(
    [1, 2, 3, 4, 5].map((n) => order(88_200 + n)),
    { backend: 'partners' },
  )
  await drain()
  await broadcaster.admin.pause('billing', { by: 'oncall', reason: 'no queue bound for invoice.eu' })
  await publish(
    [1, 2, 3].map((n) => order(88_300 + n, 'invoice.issued')),
    { backend: 'billing' },
  )

  // For later, and with what nobody may render.
  const hour = 3_600_000
  for (const n of [1, 2, 3, 4]) await publish([order(88_400 + n, 'cart.reminder')], { delay: hour + n * 900_000 })
  const data = { number: BigInt(BIG), text: HOSTILE, [HOSTILE]: [1, true, null] }
  const hostile = { type: 'order.hostile', source: '/shop/checkout', subject: HOSTILE, partitionKey: HOSTILE, data }
  await publish([hostile], { delay: hour })
}
