// RabbitMQ: the backend and the subscription.
export type { PublishProperties, RabbitMqConfirmChannel } from './rabbitmq/client.ts'
export type { RabbitMqExchange, RabbitMqOptions } from './rabbitmq/options.ts'
export { rabbitmq } from './rabbitmq/rabbitmq.ts'
export { rabbitmqSubscription } from './rabbitmq/rabbitmq-subscription.ts'
export type {
  RabbitMqBinding,
  RabbitMqQueue,
  RabbitMqSubscriptionOptions,
} from './rabbitmq/subscription-options.ts'
