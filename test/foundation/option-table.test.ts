import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { BroadcasterError } from '../../src/errors.ts'
import {
  bytes,
  callback,
  duration,
  flag,
  having,
  integer,
  nested,
  oneOf,
  option,
  optional,
  or,
  parsed,
  passedOn,
  place,
  required,
  secret,
  text,
  texts,
} from '../../src/foundation/option-kinds.ts'
import { type OptionTable, readOptions } from '../../src/foundation/option-table.ts'
import { tlsOption } from '../../src/foundation/tls-option.ts'

const TABLE = {
  url: place(option<string>('a url', 'x://localhost', (value) => String(value).startsWith('x://'))),
  host: place(text(undefined)),
  password: secret(text(undefined)),
  timeout: duration(5_000),
  mode: oneOf('structured', 'structured', 'binary'),
  qos: oneOf(1, 1, 2),
  create: flag(false),
  size: bytes(1_000, { min: 10, max: 2_000 }),
  stream: nested({ name: required(text(undefined)), create: flag(true), room: integer(undefined, { min: 1 }) }),
}

function refusal(act: () => unknown): BroadcasterError {
  try {
    act()
  } catch (error) {
    assert.ok(error instanceof BroadcasterError, String(error))
    assert.equal(error.code, 'INVALID_OPTION')
    return error
  }
  return assert.fail('accepted')
}

const refused = (options: unknown, table: OptionTable = TABLE): BroadcasterError =>
  refusal(() => readOptions('made()', table, options))

test('what is left out has its default, also in what is nested; the result is frozen', () => {
  const read = readOptions('made()', TABLE, { mode: 'binary', stream: { name: 's' }, size: undefined })
  assert.deepEqual(read, {
    url: 'x://localhost',
    host: undefined,
    password: undefined,
    timeout: 5_000,
    mode: 'binary',
    qos: 1,
    create: false,
    size: 1_000,
    stream: { name: 's', create: true, room: undefined },
  })
  assert.ok(Object.isFrozen(read))
})

const wrong: readonly (readonly [object, string, string, unknown])[] = [
  [{ timeot: 1 }, 'timeot', 'is not an option; did you mean "timeout"?', undefined],
  [
    { zzzzzzzz: 'hunter2' },
    'zzzzzzzz',
    'is not an option; the options are url, host, password, timeout, mode, qos, create, size, stream',
    undefined,
  ],
  [{ timeout: 0 }, 'timeout', 'is 0; give milliseconds from 1 to 2147483647', 0],
  [{ timeout: 1.5 }, 'timeout', 'is 1.5; give milliseconds from 1 to 2147483647', 1.5],
  [{ timeout: '5' }, 'timeout', 'is "5"; give milliseconds from 1 to 2147483647', '5'],
  [{ mode: 'binay' }, 'mode', `is "binay"; give 'structured' or 'binary'`, 'binay'],
  [{ qos: 0 }, 'qos', 'is 0; give 1 or 2', 0],
  [{ create: 'no' }, 'create', 'is "no"; give true or false', 'no'],
  [{ size: 9 }, 'size', 'is 9; give a number of bytes from 10 to 2000', 9],
  [{ host: '' }, 'host', 'is ""; give a text that is not empty', undefined],
  [{ host: null }, 'host', 'is null; give a text that is not empty', undefined],
  [{ url: 'y://u:hunter2@h' }, 'url', 'is "y://h"; give a url', undefined],
  [{ url: 'host=h password=hunter2' }, 'url', 'is "host"; give a url', undefined],
  [{ password: 4711 }, 'password', 'is a number that does not fit; give a text that is not empty', undefined],
  [{ stream: 's' }, 'stream', 'is "s"; give { name, create, room }', undefined],
  [{ stream: {} }, 'stream.name', 'is missing; give a text that is not empty', undefined],
  [{ stream: { name: 's', nam: 1 } }, 'stream.nam', 'is not an option; did you mean "name"?', undefined],
  [{ stream: { name: 's', room: -1 } }, 'stream.room', 'is -1; give a whole number, 1 or more', -1],
  [
    { url: undefined },
    'url',
    'is undefined; give it a value (is the environment variable set?), or leave it out',
    undefined,
  ],
]

for (const [options, field, message, value] of wrong) {
  test(`${inspect(options)} is refused`, () => {
    const error = refused(options)
    assert.equal(error.message, `made() is refused: ${field} ${message}`)
    assert.equal(error.field, field)
    assert.equal(error.value, value)
    assert.doesNotMatch(inspect(error, { depth: 10 }), /hunter2|4711/)
  })
}

test('every problem is in the one error', () => {
  const { message } = refused({ timeot: 1, mode: 'x', size: 1, stream: { nam: 1 } })
  for (const field of ['timeot', 'mode', 'size', 'stream.nam', 'stream.name']) {
    assert.match(message, new RegExp(`^- ${field.replace('.', '\\.')} `, 'm'))
  }
})

test('no options at all are told from none given', () => {
  for (const options of [undefined, null, 5, 'text', []]) {
    assert.match(refused(options).message, /^made\(\) is refused: options are .*; give an object$/)
  }
})

test('a place that is undefined beside another that has a value is left out', () => {
  assert.equal(readOptions('made()', TABLE, { url: undefined, host: 'h' }).host, 'h')
})

test('a getter that throws is told as its option, with what it threw as the cause', () => {
  const cause = new Error('the vault is sealed')
  const options = {
    get password(): string {
      throw cause
    },
    mode: 'x',
  }
  const error = refused(options)
  assert.match(error.message, /- password cannot be read: the vault is sealed/)
  assert.match(error.message, /- mode is "x"/)
  const alone = refused(
    {
      stream: {
        name: 's',
        get create() {
          throw cause
        },
      },
    },
    { stream: TABLE.stream },
  )
  assert.equal(alone.field, 'stream.create')
  assert.equal(alone.cause, cause)
})

test('each option is read once: what was checked is what counts', () => {
  let looks = 0
  const options = {
    get timeout() {
      return ++looks
    },
  }
  assert.equal(readOptions('made()', TABLE, { stream: { name: 's' }, ...Object.create(options) }).timeout, 5_000)
  assert.equal(readOptions('made()', { timeout: TABLE.timeout }, options).timeout, 1)
  assert.equal(looks, 1)
})

test('what concerns several options is checked with the others, and may change the result', () => {
  const table = { least: integer(1, { min: 1 }), most: integer(undefined, { min: 1 }), client: flag(undefined) }
  const read = (options: object) =>
    readOptions('made()', table, options, ({ least, most = 10 * least }, { given, refuse, alone }) => {
      if (most < least) refuse('most', `is ${most}; give least, ${least}, or more`, most)
      alone('client', ['least', 'most'])
      return { range: [least, most], given: Object.keys(given) }
    })
  assert.deepEqual(read({ least: 2 }), { range: [2, 20], given: ['least'] })
  const { message, field, value } = refusal(() => read({ least: 5, most: 2, client: true, leas: 1 }))
  assert.deepEqual([field, value], ['leas', undefined])
  assert.match(message, /- most is 2; give least, 5, or more/)
  assert.match(message, /- least has no effect beside client; leave one of them out/)
})

test('what needs an option that is missing is not asked', () => {
  const table = { name: required(text(undefined)) }
  const error = refusal(() => readOptions('made()', table, {}, ({ name }) => ({ length: name.length })))
  assert.equal(error.message, 'made() is refused: name is missing; give a text that is not empty')
})

test('a path stands before each name', () => {
  const read = () => readOptions('the worker', { lease: duration(1) }, { lease: 0 }, (options) => options, 'worker.')
  assert.equal(refusal(read).field, 'worker.lease')
})

const accepted: readonly (readonly [OptionTable[string], unknown, unknown])[] = [
  [or(duration(1_000), null), null, null],
  [or(duration(1_000), null), 5, 5],
  [or(nested({ rate: integer(3, { min: 1 }) }), false), false, false],
  [or(nested({ rate: integer(3, { min: 1 }) }), false), {}, { rate: 3 }],
  [optional(nested({ rate: integer(3, { min: 1 }) })), undefined, undefined],
  [texts('a name', ['events'], (each) => each !== ''), 'a', ['a']],
  [texts('a name', ['events'], (each) => each !== '', { separator: ',' }), 'a, b', ['a', 'b']],
  [parsed('a url', undefined, (value) => URL.parse(String(value)) ?? undefined), 'x://h', new URL('x://h')],
  [tlsOption(false), true, true],
  [passedOn('options', {}), { a: 1 }, { a: 1 }],
]

for (const [one, given, read] of accepted) {
  test(`${one.wanted}: ${inspect(given)} is read as ${inspect(read)}`, () => {
    assert.deepEqual(readOptions('made()', { one }, { one: given }).one, read)
  })
}

const refusedKinds: readonly (readonly [OptionTable[string], unknown, string])[] = [
  [or(duration(1_000), null), 0, 'is 0; give milliseconds from 1 to 2147483647, or null'],
  [or(nested({ rate: flag(true) }), false), true, 'is true; give { rate }, or false'],
  [texts('a name', ['events'], (each) => each !== ''), [], 'is []; give a name, or a list of them'],
  [texts('a name', ['events'], (each) => each !== ''), ['a', 5], 'is ["a","number"]; give a name, or a list of them'],
  [text(undefined, { max: 3 }), 'abcd', 'is "abcd"; give a text of 1 to 3 characters'],
  [callback('a function of the event'), {}, 'is an object; give a function of the event'],
  [having<Map<string, string>>('a map', 'get', 'set'), { get: 1 }, 'is an object that does not fit; give a map'],
  [passedOn('options', {}), [], 'is a list that does not fit; give options'],
  [tlsOption(false), 'yes', 'is a text that does not fit; give true, false, or options of node:tls'],
]

for (const [one, given, message] of refusedKinds) {
  test(`${one.wanted}: ${inspect(given)} is refused`, () => {
    assert.equal(refused({ one: given }, { one }).message, `made() is refused: one ${message}`)
  })
}
