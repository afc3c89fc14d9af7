/** Compiled, never run: what a catalogue lets `publish` take and gives back. */
import { type } from 'arktype'
import { CloudEvent as OfficialEvent } from 'cloudevents'
import * as v from 'valibot'
import { z } from 'zod'
import type { Broadcaster } from '../../src/broadcaster.ts'
import type { DataOutput } from '../../src/event/catalogue.ts'
import { createCloudEvent } from '../../src/event/create-cloud-event.ts'
import type { ExtensionsInput } from '../../src/publish/event-input.ts'

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
declare const plain: Broadcaster<Tx>
declare const typed: Broadcaster<Tx, Tx, Events>
declare const open: Broadcaster<Tx, Tx, Events, 'allow'>

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
  // What CloudEvents calls otherwise than we do, one by one.
  // @ts-expect-error it is partitionKey
  await plain.publish(tx, { type: 'anything', source: '/s', partitionkey: 'x' })
  // @ts-expect-error it is dataContentType
  await plain.publish(tx, { type: 'anything', source: '/s', datacontenttype: 'text/plain' })
  // @ts-expect-error it is dataSchema
  await plain.publish(tx, { type: 'anything', source: '/s', dataschema: 'https://example.com/s' })
  // @ts-expect-error bytes are data
  await plain.publish(tx, { type: 'anything', source: '/s', data_base64: 'AA==' })
  // @ts-expect-error a CloudEvent has an id
  await plain.publish(tx, { type: 'anything', source: '/s', specversion: '1.0' })
  // @ts-expect-error in a list, too
  await plain.publishMany(tx, [{ type: 'anything', source: '/s', partitionkey: 'x' }])
  // A CloudEvent has them.
  await plain.publish(tx, {
    specversion: '1.0',
    id: '1',
    type: 'a',
    source: '/s',
    partitionkey: 'x',
    dataschema: 'a:b',
  })
  // @ts-expect-error a misspelt option
  await plain.publish(tx, { type: 'anything', source: '/s' }, { maxRetry: 1 })
}

export async function withExtensions(): Promise<void> {
  const extensions = (given: ExtensionsInput) => plain.publish(tx, { type: 'a', source: '/s', extensions: given })
  const traced: Record<string, string> = { traceparent: '00-1-2-01' }
  await extensions({ traceparent: '00-1-2-01', sampled: true, priority: 7, absent: undefined })
  await extensions(traced)
  await extensions({ ...traced, partitionkey: 'x' })
  // @ts-expect-error a key is a text
  await extensions({ partitionkey: 7 })
  // @ts-expect-error part of every CloudEvent
  await extensions({ specversion: '1.0' })
  // @ts-expect-error part of every CloudEvent
  await extensions({ id: 'x' })
  // @ts-expect-error part of every CloudEvent
  await extensions({ source: '/x' })
  // @ts-expect-error part of every CloudEvent
  await extensions({ type: 'x' })
  // @ts-expect-error part of every CloudEvent
  await extensions({ subject: 'x' })
  // @ts-expect-error part of every CloudEvent
  await extensions({ time: '2026-01-31T12:00:00Z' })
  // @ts-expect-error part of every CloudEvent
  await extensions({ datacontenttype: 'text/plain' })
  // @ts-expect-error part of every CloudEvent
  await extensions({ dataschema: 'https://example.com/s' })
  // @ts-expect-error no attribute
  await extensions({ data: 'x' })
  // @ts-expect-error no attribute
  await extensions({ data_base64: 'AA==' })
}

// The names that are refused at run time, and no others.
same<
  keyof { [Name in keyof ExtensionsInput as string extends Name ? never : Name]: true },
  | 'partitionkey'
  | 'specversion'
  | 'id'
  | 'source'
  | 'type'
  | 'subject'
  | 'time'
  | 'datacontenttype'
  | 'dataschema'
  | 'data'
  | 'data_base64'
>(true)

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
  // @ts-expect-error it is partitionKey
  await typed.publish(tx, { type: 'order.paid', source: '/s', data: { id: 'a' }, partitionkey: 'x' })
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
