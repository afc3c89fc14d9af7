import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorMessage } from '../../src/foundation/error-message.ts'

test('an error without a message is told by its code, else by its name', () => {
  assert.equal(errorMessage(new Error('no room')), 'no room')
  assert.equal(errorMessage(Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' })), 'ECONNREFUSED')
  assert.equal(errorMessage(new TypeError()), 'TypeError')
  assert.equal(errorMessage('what was thrown'), 'what was thrown')
  assert.equal(errorMessage(undefined), 'undefined')
})
