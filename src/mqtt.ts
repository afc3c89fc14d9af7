// MQTT 5: the backend and the subscription.
export type { MqttClient, MqttPublishOptions, ReceivedPacket, ServerProperties } from './mqtt/client.ts'
export { mqtt } from './mqtt/mqtt.ts'
export { mqttSubscription } from './mqtt/mqtt-subscription.ts'
export type { MqttOptions } from './mqtt/options.ts'
export type { MqttDeadLetter, MqttSubscriptionOptions } from './mqtt/subscription-options.ts'
