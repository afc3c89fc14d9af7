import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestEvent } from 'node:test/reporters'
import { TestReport } from '../../scripts/test-reporter.ts'

/** The report that decides whether a test run passed must itself be able to say no. */

const FILE = '/repo/test/a.test.ts'

function report(...events: readonly { readonly type: string; readonly data: Readonly<Record<string, unknown>> }[]) {
  let text = ''
  const made = new TestReport('/repo', (piece) => {
    text += piece
  })
  for (const { type, data } of events) {
    made.accept({
      type,
      data: { file: FILE, nesting: 0, details: { duration_ms: 1 }, ...data },
    } as unknown as TestEvent)
  }
  made.end(0.1)
  return { made, text, last: text.trimEnd().split('\n').at(-1) }
}

const pass = (data: Readonly<Record<string, unknown>>) => ({ type: 'test:pass', data })
const fail = (name: string, error: Error, data = {}) => ({
  type: 'test:fail',
  data: { name, details: { duration_ms: 1, error }, ...data },
})

test('the last line has the counts', () => {
  const error = Object.assign(new Error('wrapped'), { cause: new Error('the thing itself') })
  const { last, text } = report(pass({ name: 'one' }), pass({ name: 'two', skip: 'no server' }), fail('three', error))
  assert.equal(last, '1 passed, 1 failed, 1 skipped')
  assert.match(text, /✖ test\/a\.test\.ts {2}1 passed, 1 failed, 1 skipped/)
  assert.match(text, /Left out:\n +1 {2}no server/)
  assert.match(text, /✖ test\/a\.test\.ts: three\n +Error: the thing itself/)
})

test('a run of no test fails', () => {
  assert.equal(report().made.failed, 1)
  assert.equal(report(pass({ name: 'left out', skip: 'no server' })).made.failed, 1)
})

test('a file without any test fails', () => {
  const { made, text } = report(pass({ name: FILE }))
  assert.deepEqual([made.passed, made.failed], [0, 1])
  assert.match(text, /no test in this file/)
})

test('a suite is no test, and a failure in it counts once', () => {
  const inner = fail('inner', new Error('x'), { nesting: 1 })
  const suite = Object.assign(new Error('1 subtest failed'), { failureType: 'subtestsFailed' })
  const { made } = report(
    inner,
    fail('suite', suite, {}),
    pass({ name: 'other', details: { duration_ms: 1, type: 'suite' } }),
  )
  assert.deepEqual([made.passed, made.failed], [0, 1])
})

test('a test that stands in another file counts for the file that ran', () => {
  const { text } = report(pass({ name: 'one', file: '/repo/src/testing/conformance.ts', entryFile: FILE }))
  assert.match(text, /✔ test\/a\.test\.ts {2}1 passed/)
})

test('a file that is run once more counts once, and what failed at first is told', () => {
  let text = ''
  const made = new TestReport('/repo', (piece) => {
    text += piece
  })
  const accept = (event: { readonly type: string; readonly data: object }): void =>
    made.accept({
      type: event.type,
      data: { file: FILE, nesting: 0, details: { duration_ms: 1 }, ...event.data },
    } as unknown as TestEvent)
  const summary = { type: 'test:summary', data: {} }
  const other = '/repo/test/b.test.ts'
  accept(pass({ name: 'one' }))
  accept(fail('two', new Error('too slow')))
  accept(summary)
  accept(fail('three', new Error('wrong'), { file: other }))
  accept({ type: 'test:summary', data: { file: other } })
  assert.deepEqual(made.failedFiles, [FILE, other])
  made.repeat([FILE])
  for (const name of ['one', 'two']) accept(pass({ name }))
  accept(summary)
  made.end(0.1)
  assert.deepEqual([made.passed, made.failed], [2, 1])
  assert.match(text, /failed at first test\/a\.test\.ts: two\n +Error: too slow/)
  assert.match(text, /Failed at first, then run once more with its whole file:\n {2}test\/a\.test\.ts: two\n/)
  assert.match(text, /\nFailed:\n {2}test\/b\.test\.ts: three\n/)
})

test('a file that fails again has failed', () => {
  const made = new TestReport('/repo', () => undefined)
  const accept = (event: { readonly type: string; readonly data: object }): void =>
    made.accept({
      type: event.type,
      data: { file: FILE, nesting: 0, details: { duration_ms: 1 }, ...event.data },
    } as unknown as TestEvent)
  const run = (): void => {
    accept(fail('two', new Error('wrong')))
    accept({ type: 'test:summary', data: {} })
  }
  run()
  made.repeat(made.failedFiles)
  run()
  made.end(0.1)
  assert.deepEqual([made.passed, made.failed], [0, 1])
})
