/** Compiled, never run: what a catalogue lets `publish` take and gives back. */
import { type } from 'arktype'
import { CloudEvent as OfficialEvent } from 'cloudevents'
import * as v from 'valibot'
import { z } from 'zod'
import type { DataOutput } from '../../src/event/catalogue.ts'
import { createCloudEvent } from '../../src/event/create-cloud-event.ts'
import type { Publisher } from '../../src/publish/publisher.ts'

const catalogue = {
  'order.created': z.object({ id: z.string(), total: z.number().default(0) }),
  'order.paid': v.object({ id: v.string() }),
  'order.sent': type({ id: 'string' }),
  'order.counted': z.undefined(),
}
type Events = typeof catalogue
interface Tx {
  readonly open: true
}

declare const tx: Tx
declare const plain: Publisher<Tx>
declare const typed: Publisher<Tx, Events>
declare const open: Publisher<Tx, Events, 'allow'>

type Same<One, Other> = (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false
const same = <One, Other>(yes: Same<One, Other>): boolean => yes

export async function withoutCatalogue(): Promise<void> {
  await plain.publish(tx, { type: 'anything', source: '/s', data: { any: 'thing' } })
  await plain.publish(tx, { type: 'anything', source: '/s' })
  await plain.publish(tx, { type: `order.${String(tx.open)}`, source: '/s', partitionKey: 'x' })
  await plain.publish(tx, createCloudEvent({ type: 'a', source: '/s' }))
  await plain.publish(tx, new OfficialEvent({ type: 'a', source: '/s', data: { n: 1 } }))
  const made = await plain.publish(tx, { type: 'anything', source: '/s' })
  same<typeof made.data, unknown>(true)
  // @ts-expect-error the transaction comes first
  await plain.publish({ type: 'anything', source: '/s' })
  // @ts-expect-error a source is required
  await plain.publish(tx, { type: 'anything' })
  // @ts-expect-error a misspelt member
  await plain.publish(tx, { type: 'anything', source: '/s', partition_key: 'x' })
  // @ts-expect-error a misspelt option
  await plain.publish(tx, { type: 'anything', source: '/s' }, { maxRetry: 1 })
}

export async function withCatalogue(): Promise<void> {
  const made = await typed.publish(tx, { type: 'order.created', source: '/s', data: { id: 'a' } })
  same<typeof made.data, { id: string; total: number }>(true)
  await typed.publish(tx, { type: 'order.paid', source: '/s', data: { id: 'a' } })
  await typed.publish(tx, { type: 'order.sent', source: '/s', data: { id: 'a' } })
  await typed.publish(tx, { type: 'order.counted', source: '/s' })
  await typed.publishMany(tx, [
    { type: 'order.created', source: '/s', data: { id: 'a', total: 1 } },
    { type: 'order.paid', source: '/s', data: { id: 'a' } },
  ])
  typed.publishSync(tx, { type: 'order.paid', source: '/s', data: { id: 'a' } })
  // @ts-expect-error the wrong data
  await typed.publish(tx, { type: 'order.created', source: '/s', data: { id: 7 } })
  // @ts-expect-error no data where the schema wants some
  await typed.publish(tx, { type: 'order.paid', source: '/s' })
  // @ts-expect-error a type that is not listed
  await typed.publish(tx, { type: 'order.creatd', source: '/s', data: { id: 'a' } })
  // @ts-expect-error the data of another event
  await typed.publishMany(tx, [{ type: 'order.sent', source: '/s', data: { total: 1 } }])
  // @ts-expect-error the wrong data, synchronously
  typed.publishSync(tx, { type: 'order.sent', source: '/s', data: 1 })
}

export async function withUnlistedEvents(): Promise<void> {
  await open.publish(tx, { type: 'anything', source: '/s', data: 1 })
  await open.publish(tx, { type: 'order.paid', source: '/s', data: { id: 'a' } })
  // @ts-expect-error a listed event is still checked
  await open.publish(tx, { type: 'order.paid', source: '/s', data: { id: 7 } })
}

// What handlers get.
same<DataOutput<Events, 'order.created'>, { id: string; total: number }>(true)
same<DataOutput<Events, 'order.paid'>, { id: string }>(true)
same<DataOutput<Events, 'order.sent'>, { id: string }>(true)
same<DataOutput<Events, 'unlisted'>, unknown>(true)
