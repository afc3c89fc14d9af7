import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type KafkaOptions, kafka } from '../../src/kafka/kafka.ts'

test('kafka refuses wrong options, all at once, before anything is opened', () => {
  const refused = (options: object): string => {
    try {
      kafka(options as KafkaOptions)
    } catch (error) {
      return String(error)
    }
    return assert.fail('accepted')
  }
  const said = refused({
    bootstrapServer: 'x:1',
    topic: 'a b',
    compression: 'zip',
    timeout: 0,
    sasl: { password: 'hidden' },
  })
  for (const part of [
    /did you mean "bootstrapServers"/,
    /topic is "a b"; give a function or a topic/,
    /compression is "zip"; give 'none' or 'gzip'/,
    /timeout is 0; give milliseconds from 1/,
    /sasl is an object that does not fit; give \{ mechanism/,
  ]) {
    assert.match(said, part)
  }
  assert.doesNotMatch(said, /hidden/)
  assert.match(refused({ bootstrapServers: ['host'] }), /bootstrapServers is \["host"\]; give host:port/)
  assert.match(refused({ producer: {} }), /producer is an object that does not fit; give a producer with sendBatch/)
  assert.match(
    refused({ producer: { sendBatch: () => undefined }, clientId: 'x' }),
    /clientId has no effect beside producer/,
  )
  assert.throws(() => kafka().checkConfig?.({ topic: 'x' }), { code: 'INVALID_OPTION', field: 'backendConfig.topic' })
})
