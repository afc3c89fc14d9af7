import assert from 'node:assert/strict'
import { test } from 'node:test'
import { numberedText, type Statement } from '../../src/store/statement.ts'

test('a statement has its placeholders in order, kept or not, and two that differ in their strings differ', () => {
  for (const keep of [{}, { keep: true }] as const) {
    const first: Statement = { strings: ['SELECT ', ', ', ''], values: [1, 2], ...keep }
    const second: Statement = { strings: ['DELETE ', ''], values: [1], ...keep }
    assert.equal(numberedText(first), 'SELECT $1, $2')
    assert.equal(numberedText(second), 'DELETE $1')
    assert.equal(numberedText({ ...first, values: [3, 4] }), 'SELECT $1, $2')
  }
})

test('only the text of a statement to be kept is', () => {
  const strings = ['SELECT ', '']
  assert.equal(numberedText({ strings, values: [1] }), 'SELECT $1')
  strings[0] = 'DELETE '
  assert.equal(numberedText({ strings, values: [1] }), 'DELETE $1')
  assert.equal(numberedText({ strings, values: [1], keep: true }), 'DELETE $1')
  strings[0] = 'UPDATE '
  assert.equal(numberedText({ strings, values: [1], keep: true }), 'DELETE $1')
})
