import { describe, test } from 'node:test'
import { type MemorySubscription, memorySubscription } from '../../src/consumer/memory/memory-subscription.ts'
import { runConformance } from '../../src/testing/conformance.ts'
import { type SubscriptionFixture, subscriptionConformance } from '../../src/testing/subscription-conformance.ts'

const runner = {
  test: (name: string, run: () => Promise<void>) => test(name, run),
  skip: (name: string, reason: string) => test(name, { skip: reason }, () => undefined),
}

async function fixture(): Promise<SubscriptionFixture> {
  const made: MemorySubscription[] = []
  return {
    subscribe() {
      const [first] = made
      const subscription = memorySubscription(first ? { sharedWith: first } : {})
      made.push(subscription)
      return subscription
    },
    async publish(events) {
      made.at(-1)?.deliver(...events)
    },
    async publishUnreadable(body) {
      made.at(-1)?.deliverUnreadable(new Error(body))
    },
    async close() {
      for (const subscription of made) await subscription.close()
    },
  }
}

describe('memory subscription', () => {
  const oneGroup = 'its messages have one consumer'
  runConformance(runner, subscriptionConformance, fixture, {
    fanOut: oneGroup,
    redeliverAfter: 'it takes nothing back by time',
    stopServer: 'there is no server',
    deadLetters: 'it keeps events, not bytes',
  })
})
