// Kafka: the backend and the subscription.
export { kafka } from './kafka/kafka.ts'
export { kafkaSubscription } from './kafka/kafka-subscription.ts'
export type { KafkaConnectionOptions, KafkaJsProducer, KafkaOptions, KafkaSasl } from './kafka/options.ts'
export type { KafkaSubscriptionOptions } from './kafka/subscription-options.ts'
