import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BroadcasterError } from '../../src/errors.ts'
import { decodeMqtt, encodeBinaryMqtt } from '../../src/event/mqtt.ts'

const attributes = { specversion: '1.0', id: '1', source: '/s', type: 't' }

test('binary mode: datacontenttype is the Content Type and a user property, which counts where there is no other', () => {
  const event = { attributes: { ...attributes, datacontenttype: 'text/plain' }, dataJson: '"hi"', dataBinary: null }
  const { contentType, userProperties, payload } = encodeBinaryMqtt(event)
  assert.equal(contentType, 'text/plain')
  assert.equal(userProperties['datacontenttype'], 'text/plain')
  assert.deepEqual(decodeMqtt(contentType, userProperties, payload), event)
  // As the official JavaScript SDK has it, which neither writes nor reads the Content Type.
  assert.deepEqual(decodeMqtt(undefined, userProperties, payload), event)
  const other = decodeMqtt('application/json', { ...attributes, datacontenttype: 'text/plain' }, '{"a":1}')
  assert.equal(other.attributes['datacontenttype'], 'application/json')
  assert.equal(other.dataJson, '{"a":1}')
  const untyped = encodeBinaryMqtt({ attributes, dataJson: '{"a":1}', dataBinary: null })
  assert.equal(untyped.userProperties['datacontenttype'], 'application/json', 'in this mode it must be said')
})

test('whatever a packet holds, the decoder gives an event or an error of ours', () => {
  const value = fc.oneof(
    fc.string(),
    fc.array(fc.string(), { maxLength: 2 }),
    fc.constantFrom(null, undefined, [], [undefined], [null], 7),
  )
  const name = fc.oneof(
    fc.constantFrom('specversion', 'id', 'source', 'type', 'datacontenttype', '__proto__'),
    fc.string(),
  )
  const properties = fc.oneof(fc.dictionary(name, value), fc.constantFrom(null, undefined, []))
  const decode = decodeMqtt as (...args: readonly unknown[]) => unknown
  fc.assert(
    fc.property(value, properties, fc.oneof(fc.string(), fc.uint8Array()), (contentType, user, payload) => {
      try {
        decode(contentType, user, payload)
      } catch (error) {
        assert.ok(error instanceof BroadcasterError, String(error))
      }
    }),
    {
      examples: [
        [undefined, { ...attributes, id: [] }, '{}'],
        [undefined, { ...attributes, id: null }, '{}'],
        [[], attributes, '{}'],
      ],
    },
  )
})
