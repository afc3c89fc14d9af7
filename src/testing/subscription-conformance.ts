import type { ConformanceCase } from './conformance.ts'
import { conclusionCases } from './subscription/conclusion-cases.ts'
import { deadLetterCases } from './subscription/dead-letter-cases.ts'
import { deliveryCases } from './subscription/delivery-cases.ts'
import type { SubscriptionAbility, SubscriptionFixture } from './subscription/fixture.ts'
import { stopCases } from './subscription/stop-cases.ts'

export type { StoredDeadLetter, SubscriptionAbility, SubscriptionFixture } from './subscription/fixture.ts'

/** A behaviour that every subscription must show. */
export type SubscriptionCase = ConformanceCase<SubscriptionFixture> & { readonly requires?: SubscriptionAbility }

/** The behaviour of a subscription, whole: register it with `runConformance`. */
export const subscriptionConformance: readonly SubscriptionCase[] = [
  ...deliveryCases,
  ...conclusionCases,
  ...deadLetterCases,
  ...stopCases,
]
