export { type AmqpMessage, decodeAmqp, encodeBinaryAmqp } from './event/amqp.ts'
export type { BinaryBinding, BinaryMessage, HeadersInput } from './event/binary.ts'
export { decodeBinary, encodeBinary } from './event/binary.ts'
export type { AttributeValue, CloudEvent, EncodableEvent } from './event/cloud-event.ts'
export { type CloudEventInit, createCloudEvent } from './event/create-cloud-event.ts'
export { toCloudEvent, toEncodable } from './event/encodable.ts'
export { decodeBinaryHttp, decodeHttp, encodeBinaryHttp, HTTP_BINDING } from './event/http.ts'
export { parseJson, stringifyJson } from './event/json.ts'
export {
  decodeKafka,
  encodeBinaryKafka,
  encodeStructuredKafka,
  KAFKA_BINDING,
  type KafkaRecord,
} from './event/kafka.ts'
export { decodeMqtt, encodeBinaryMqtt, encodeStructuredMqtt, type MqttMessage } from './event/mqtt.ts'
export { decodeNats, encodeBinaryNats, NATS_BINDING } from './event/nats.ts'
export {
  BATCH_CONTENT_TYPE,
  decodeBatch,
  decodeStructured,
  encodeBatch,
  encodeStructured,
  STRUCTURED_CONTENT_TYPE,
} from './event/structured.ts'
export { validateCloudEvent } from './event/validate-cloud-event.ts'
