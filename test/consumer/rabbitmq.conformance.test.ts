import { describe, test } from 'node:test'
import { runConformance } from '../../src/testing/conformance.ts'
import { type SubscriptionFixture, subscriptionConformance } from '../../src/testing/subscription-conformance.ts'
import { skipWithout } from '../support/servers.ts'
import { publishTo } from './publish-to.ts'
import { RabbitMqConsumingPlace } from './rabbitmq-consuming-place.ts'

const runner = {
  test: (name: string, run: () => Promise<void>) => test(name, run),
  skip: (name: string, reason: string) => test(name, { skip: reason }, () => undefined),
}

async function fixture(mode: 'structured' | 'binary', type: 'classic' | 'quorum'): Promise<SubscriptionFixture> {
  const place = await RabbitMqConsumingPlace.make(mode)
  return {
    subscribe: () => place.subscribe({ create: { queue: { type }, bindings: [{ exchange: place.name }] } }),
    publish: (events) => publishTo(place.backend, events),
    async publishUnreadable(body) {
      place.channel.publish(place.name, 'unreadable', Buffer.from(body), { contentType: 'text/plain' })
      // What is published next goes another way, and could be there before.
      await place.channel.waitForConfirms()
    },
    deadLetters: () => place.deadLetters(),
    // The server is shared: what stops and starts is the way to it.
    stopServer: () => place.proxy.stop(),
    startServer: () => place.proxy.start(),
    close: () => place.remove(),
  }
}

const limits = {
  backlog: 'the queue counts what is ready alone; rabbitmq.subscription.test.ts shows that',
  releasesInPlace: 'what was prefetched behind it comes first',
  fanOut: 'the queue of the fixture is one; rabbitmq.subscription.test.ts shows two names',
  redeliverAfter: 'RabbitMQ takes nothing back from an open channel, but for its own limit of 30 minutes',
}

describe('rabbitmqSubscription, a classic queue, structured', { skip: skipWithout('rabbitmq') }, () => {
  runConformance(runner, subscriptionConformance, () => fixture('structured', 'classic'), limits)
})

describe('rabbitmqSubscription, a quorum queue, binary', { skip: skipWithout('rabbitmq') }, () => {
  runConformance(runner, subscriptionConformance, () => fixture('binary', 'quorum'), limits)
})
