import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FoundSchema, requireUsable, type SchemaStep, statusOf } from '../../src/store/schema-status.ts'

const step = (version: number, breaking: boolean): SchemaStep => ({ version, name: `step ${version}`, breaking })
const KNOWN = [step(1, true), step(2, false), step(3, true)]
const found = (given: Partial<FoundSchema>): FoundSchema => ({
  steps: KNOWN,
  lanes: 64,
  foreign: false,
  lost: false,
  ...given,
})

const REFUSED: readonly [title: string, FoundSchema, code: string, message: RegExp][] = [
  ['nothing', found({ steps: [], lanes: null }), 'SCHEMA_MISSING', /^there is no outbox_events; run /],
  ['a table of Django', found({ steps: [], lanes: null, foreign: true }), 'SCHEMA_OUTDATED', /but not taken over/],
  [
    'the record of steps dropped',
    found({ steps: [], lanes: null, lost: true }),
    'SCHEMA_OUTDATED',
    /were dropped; run /,
  ],
  ['the settings dropped', found({ lanes: null }), 'SCHEMA_OUTDATED', /were dropped; run /],
  ['an older version', found({ steps: [step(1, true)] }), 'SCHEMA_OUTDATED', /is at version 1 and should be at 3/],
  [
    'a newer one',
    found({ steps: [...KNOWN, step(4, true)] }),
    'SCHEMA_TOO_NEW',
    /is at version 4, .* knows 3; upgrade/,
  ],
]

for (const [title, facts, code, message] of REFUSED) {
  test(`an outbox that cannot be worked with: ${title}`, () => {
    assert.throws(() => requireUsable(facts, KNOWN, 'outbox_events'), { code, message })
  })
}

test('an outbox that can: as new as this code, or newer by steps that break nothing', () => {
  assert.equal(requireUsable(found({}), KNOWN, 'outbox_events').version, 3)
  assert.equal(requireUsable(found({ steps: [...KNOWN, step(4, false)] }), KNOWN, 'outbox_events').version, 4)
})

test('the status names the steps that are to be done, and no lanes before the first is', () => {
  assert.deepEqual(statusOf(found({ steps: KNOWN.slice(0, 2) }), KNOWN).pending, [KNOWN[2]])
  assert.equal(statusOf(found({ steps: [] }), KNOWN).lanes, null)
})
