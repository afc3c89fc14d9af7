import assert from 'node:assert/strict'
import type { Delivery, Subscription } from '../../consumer/subscription.ts'
import type { EncodableEvent } from '../../event/cloud-event.ts'
import type { OutboxEventColumns } from '../../record/columns.ts'
import { sampleEvents } from '../sample-events.ts'
import type { SubscriptionFixture } from './fixture.ts'

/** How long a case waits for what must come, in milliseconds. */
export const PATIENCE = 20_000

/** Events ready for the wire, `{ n }` counting from 0, spread over `keys` keys (0 = none). */
export function wireEvents(
  count: number,
  keys = 0,
  overrides: Partial<OutboxEventColumns> = {},
): readonly EncodableEvent[] {
  return sampleEvents(count, keys, overrides).map((event) => event.toEncodable())
}

/** An opened subscription of the consumer `billing`, or another. */
export async function opened(subscription: Subscription, consumer = 'billing'): Promise<Subscription> {
  await subscription.open({ consumer }, AbortSignal.timeout(PATIENCE))
  return subscription
}

/** One that was open before these events were published. */
export async function subscribed(
  { subscribe, publish }: SubscriptionFixture,
  events: readonly EncodableEvent[],
): Promise<Subscription> {
  const subscription = await opened(subscribe())
  await publish(events)
  return subscription
}

/** Receives until `count` deliveries have come; fails when they do not. Outages on the way are ignored. */
export async function take(
  subscription: Subscription,
  count: number,
  { limit = 500, during = PATIENCE }: { readonly limit?: number; readonly during?: number } = {},
): Promise<readonly Delivery[]> {
  const taken: Delivery[] = []
  const end = Date.now() + during
  while (taken.length < count) {
    const left = end - Date.now()
    if (left <= 0) assert.fail(`${taken.length} of ${count} deliveries came within ${during} ms`)
    taken.push(...(await receive(subscription, Math.min(limit, count - taken.length), left)))
  }
  return taken
}

/** What arrives within `during` ms, to show that something does not. */
export async function takeFor(subscription: Subscription, during: number): Promise<readonly Delivery[]> {
  const taken: Delivery[] = []
  const end = Date.now() + during
  while (Date.now() < end) taken.push(...(await receive(subscription, 500, end - Date.now())))
  return taken
}

export async function acknowledgeAll(deliveries: readonly Delivery[]): Promise<void> {
  await Promise.all(deliveries.map((delivery) => delivery.acknowledge()))
}

/** The ids of the events, in the order in which they were delivered. */
export function idsOf(events: readonly { readonly event: EncodableEvent | undefined }[]): readonly unknown[] {
  return events.map(({ event }) => event?.attributes['id'])
}

/** The same for events that were published. */
export function publishedIds(events: readonly EncodableEvent[]): readonly unknown[] {
  return events.map(({ attributes }) => attributes['id'])
}

async function receive(subscription: Subscription, limit: number, during: number): Promise<readonly Delivery[]> {
  const stop = new AbortController()
  const timer = setTimeout(() => stop.abort(), during)
  try {
    return await subscription.receive(limit, stop.signal)
  } catch {
    // As the consumer does: again a moment later.
    await new Promise((resolve) => setTimeout(resolve, 50))
    return []
  } finally {
    clearTimeout(timer)
  }
}
