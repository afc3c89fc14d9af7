import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { OF_LIBRARIES, pageOf, sentenceOf } from '../../scripts/api/page.ts'
import { type Exported, readApi } from '../../scripts/api/read-api.ts'
import { readSchemas, schemaFile } from '../../scripts/api/schemas.ts'
import { root } from './source-files.ts'

/** One declaration that a user holds and passes on, without looking into it: what it is made of may change until 1.0. */
const OPAQUE = ['Store']

const entries = readApi()
const all = entries.flatMap(({ exports }) => exports)

test('what a public signature names is exported from some entry', (t) => {
  const exported = new Set(all.map(({ origin }) => origin))
  const missing = all.flatMap(({ name, names }) =>
    OPAQUE.includes(name)
      ? []
      : [...names].filter(([origin]) => !exported.has(origin)).map(([origin]) => `${name} names ${origin}`),
  )
  t.diagnostic(`${entries.length} entries, ${exported.size} names`)
  assert.deepEqual([...new Set(missing)], [])
  assert.ok(
    all.some(({ names }) => names.size > 5),
    'the reader finds no names, so it would miss none',
  )
})

test('no two entries export different things under one name', () => {
  const meanings = Map.groupBy(all, ({ name }) => name)
  const several = [...meanings].filter(([, same]) => new Set(same.map(({ origin }) => origin)).size > 1)
  assert.deepEqual(
    several.map(([name, same]) => `${name}: ${same.map(({ origin }) => origin).join(', ')}`),
    [],
  )
})

test('what is exported to be called is told of in a page, or used as a user would, so that no internal slips out', () => {
  const pages = ['README.md', ...globSync('docs/**/*.md', { cwd: root })].filter((page) => page !== 'docs/api.md')
  const programs = globSync(['examples/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts'], { cwd: root })
  const read = (file: string): string => readFileSync(join(root, file), 'utf8')
  const imports = programs.flatMap((file) => read(file).match(/^import [^']*'ts-broadcaster[^']*'/gm) ?? [])
  const known = [...pages.map(read), ...imports].join('\n')
  const isKnown = ({ name }: Exported): boolean => new RegExp(`\\b${name}\\b`).test(known)
  const silent = all.filter((one) => !one.isType && !isKnown(one)).map(({ name, origin }) => `${name} of ${origin}`)
  assert.deepEqual([...new Set(silent)], [])
})

test('each name and each member has its sentence', (t) => {
  const silent = entries.flatMap(({ exports }) =>
    exports.flatMap((one) => [
      ...(sentenceOf(one, exports) === '' ? [one.name] : []),
      ...one.members
        .filter(({ name, comment }) => comment === '' && name !== 'constructor' && !OF_LIBRARIES.has(one.name))
        .map(({ signature }) => `${one.name}: ${signature}`),
    ]),
  )
  t.diagnostic(`${all.length} names, ${all.flatMap(({ members }) => members).length} members`)
  assert.deepEqual([...new Set(silent)], [])
  const unknown = [...OF_LIBRARIES].filter((name) => !all.some((one) => one.name === name))
  assert.deepEqual(unknown, [], 'these are exported no more')
})

/** What is given with each call, and never comes from the environment. */
const OF_THE_CALL = ['VerifyOptions.headers', 'VerifyOptions.body']

const options = optionsOf(all)

function optionsOf(exported: readonly Exported[]) {
  const given = exported.filter(({ name, origin }) => /Options$|options\.ts /.test(`${name} ${origin}`))
  return given
    .filter(({ name }) => !name.startsWith('Resolved') && !OF_LIBRARIES.has(name))
    .flatMap(({ name, members }) => members.map((member) => ({ label: `${name}.${member.name}`, ...member })))
}

test('options within options are shown as such, by name or one by one, and not as what they are computed from', () => {
  const computed = all.flatMap(({ name, members }) =>
    members
      .filter(({ signature }) => /\b(OptionsOf|ResolvedOf|Option)</.test(signature))
      .map((one) => `${name}.${one.name}`),
  )
  assert.deepEqual([...new Set(computed)], [])
  const labels = new Set(options.map(({ label }) => label))
  assert.ok(labels.has('KafkaSubscriptionOptions.deadLetter.topic'), 'what has no name of its own is listed')
  const trim = options.find(({ label }) => label === 'RedisStreamsOptions.trim')
  assert.match(trim?.signature ?? '', /\| RedisTrim\b/, 'what has one is named')
})

test('each option that may be left out says what counts then', () => {
  const silent = options.filter(({ optional, comment }) => optional && !/default/i.test(comment))
  assert.deepEqual(
    silent.map(({ label }) => label),
    [],
  )
})

test('each option takes undefined that may be left out, or that is a text and so may be a variable that is not set', (t) => {
  const mustTake = options.filter(({ label, optional, signature }) => {
    return (
      optional || (/: (.*\| )?string\b/.test(signature) && !signature.includes('(') && !OF_THE_CALL.includes(label))
    )
  })
  t.diagnostic(`${mustTake.length} of ${options.length} options`)
  assert.ok(mustTake.length > 200, 'options were found')
  assert.deepEqual(
    mustTake.filter(({ takesUndefined }) => !takesUndefined).map(({ label, signature }) => `${label}: ${signature}`),
    [],
  )
})

test('docs/api.md has every name as it is; the cure is `npm run api`', () => {
  assert.ok(
    readFileSync(join(root, 'docs/api.md'), 'utf8') === pageOf(entries),
    'run `npm run api`, and look at the change',
  )
})

test('the schemas of the admin API are those of its types; the cure is `npm run api`', () => {
  assert.ok(
    readFileSync(join(root, 'src/admin-http/api-schemas.json'), 'utf8') === schemaFile(readSchemas()),
    'run `npm run api`, and look at the change',
  )
})
