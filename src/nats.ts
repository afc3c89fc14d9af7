// NATS JetStream: the backend and the subscription.
export { natsJetStream } from './nats/nats.ts'
export { natsJetStreamSubscription } from './nats/nats-subscription.ts'
export type { NatsClient, NatsJetStreamOptions, NatsStream } from './nats/options.ts'
export type { NatsDeadLetter, NatsJetStreamSubscriptionOptions } from './nats/subscription-options.ts'
