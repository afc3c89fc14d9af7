import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { jsonProblem, parseJson, stringifyJson } from '../../src/event/json.ts'

test('integers beyond 2^53 keep every digit, both ways', () => {
  const text = '{"a":9007199254740993,"b":-12345678901234567890123,"c":[1,9007199254740991]}'
  assert.deepEqual(parseJson(text), { a: 9007199254740993n, b: -12345678901234567890123n, c: [1, 9007199254740991] })
  assert.equal(stringifyJson(parseJson(text)), text)
  assert.deepEqual(parseJson('[1.5e300, 0.1234567890123456789, "12345678901234567890"]'), [
    1.5e300,
    Number('0.1234567890123456789'),
    '12345678901234567890',
  ])
})

test('data nested deeper than a call stack is parsed, with every digit', () => {
  const depth = 100_000
  const text = `${'{"a":['.repeat(depth)}9007199254740993,"9007199254740993 \\" -12345678901234567",1.5${']}'.repeat(depth)}`
  let at = parseJson(text)
  for (let n = 1; n < depth; n++) at = (at as { readonly a: readonly unknown[] }).a[0]
  assert.deepEqual(at, { a: [9007199254740993n, '9007199254740993 " -12345678901234567', 1.5] })
  assert.throws(() => parseJson(`${'['.repeat(depth)}9007199254740993`), SyntaxError)
})

test('anything else is as JSON has it', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.equal(stringifyJson(parseJson(JSON.stringify(value))), JSON.stringify(value))
      assert.equal(stringifyJson(value), JSON.stringify(value))
    }),
  )
  assert.throws(() => parseJson('{'), SyntaxError)
})

test('what a parser says is told without what it quotes of the text', () => {
  for (const text of [
    '{"card": 4111 1111}',
    'secret',
    `{"a": 1} ${'secret '.repeat(30)}`,
    '{"secret',
    '["secret" 1]',
    '',
  ]) {
    try {
      JSON.parse(text)
      assert.fail(text)
    } catch (error) {
      assert.match(jsonProblem(error), /^SyntaxError: \w/)
      assert.doesNotMatch(jsonProblem(error), /secret|1111/)
    }
  }
})

test('what JSON cannot hold is refused', () => {
  const cycle: Record<string, unknown> = {}
  cycle['self'] = cycle
  for (const value of [undefined, () => 1, Symbol('s'), cycle, { n: 1n, cycle }]) {
    assert.throws(() => stringifyJson(value, 'field'), { code: 'INVALID_DATA', field: 'field' })
  }
})
