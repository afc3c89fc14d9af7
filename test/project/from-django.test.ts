import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from './source-files.ts'

/** A row of `docs/from-django.md`: what Django has, what is here, and the tests that show it. */
interface ParityRow {
  readonly django: string
  readonly here: string
  readonly tests: readonly string[]
}

function parityRows(page: string): readonly ParityRow[] {
  return page
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/\| Test \|$/.test(line))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()))
    .map(([django = '', here = '', tests = '']) => ({ django, here, tests: tests.split('<br>') }))
}

/** The members of the Models API page of Django Broadcaster, in its order. */
const MEMBERS = [
  '__init__',
  'DoesNotExist',
  'MultipleObjectsReturned',
  'created_at',
  'data',
  'data_content_type',
  'data_schema',
  'event_type',
  'get_next_by_created_at',
  'get_next_by_scheduled_at',
  'get_next_by_updated_at',
  'get_previous_by_created_at',
  'get_previous_by_scheduled_at',
  'get_previous_by_updated_at',
  'get_status_display',
  'id',
  'last_error',
  'max_retries',
  'objects',
  'published_at',
  'publisher_backend',
  'publisher_config',
  'retry_count',
  'scheduled_at',
  'source',
  'spec_version',
  'status',
  'subject',
  'updated_at',
]

/** Why a reference to a test is wrong; undefined = it is there. */
function problemOf(reference: string): string | undefined {
  const [, file = '', name = ''] = /^`((?:test\/\S+\.test|src\/testing\/\S+)\.ts)` › (.+)$/.exec(reference) ?? []
  if (file === '') return `"${reference}" is not: \`file\` › name of a test`
  if (!existsSync(join(root, file))) return `${file} does not exist`
  const text = readFileSync(join(root, file), 'utf8')
  return namesIn(text).some((known) => known.test(name)) ? undefined : `${file} has no test "${name}"`
}

/** The names of tests, of conformance cases and of rows in tables of tests; what stands in `${}` may be anything. */
function namesIn(source: string): readonly RegExp[] {
  const named =
    /(?:\b(?:test|describe|it)\(|\bname:|\[)\s*(?:'((?:\\.|[^'\\\n])+)'|"((?:\\.|[^"\\\n])+)"|`((?:\\.|[^`\\])+)`)/g
  return Array.from(source.matchAll(named), ([, single, double, template = '']) => {
    const whole = single ?? double
    const parts = whole === undefined ? template.split(/\$\{[^}]*\}/) : [whole]
    // A template of nothing but values would fit every name.
    if (parts.join('').trim().length < 4) return /(?!)/
    return new RegExp(`^${parts.map((part) => escaped(part.replace(/\\(['"`])/g, '$1'))).join('.+')}$`)
  })
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

const rows = parityRows(readFileSync(join(root, 'docs/from-django.md'), 'utf8'))

test('every member of the Models API has a row', () => {
  const found = new Set(rows.map(({ django }) => django.replaceAll('`', '')))
  assert.deepEqual(
    MEMBERS.filter((name) => !found.has(name)),
    [],
  )
})

test('every row of docs/from-django.md names its counterpart and tests that exist', (t) => {
  t.diagnostic(`${rows.length} rows`)
  assert.ok(rows.length > 100)
  const problems = rows.flatMap(({ django, here, tests }) => [
    ...(here === '' ? [`${django}: no counterpart`] : []),
    ...tests.flatMap((reference) => {
      const problem = problemOf(reference)
      return problem === undefined ? [] : [`${django}: ${problem}`]
    }),
  ])
  assert.deepEqual(problems, [])
})

test('a reference to what is not there is found', () => {
  assert.match(problemOf('') ?? '', /is not/)
  assert.match(problemOf('`test/nowhere.test.ts` › x') ?? '', /does not exist/)
  assert.match(problemOf('`test/project/from-django.test.ts` › a test that was renamed') ?? '', /has no test/)
  assert.equal(problemOf('`test/project/from-django.test.ts` › a reference to what is not there is found'), undefined)
  assert.equal(problemOf('`test/cli/process.test.ts` › SIGINT stops a worker gracefully, with 0'), undefined)
})
