import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PurgeOptions } from '../../src/admin/purge-now.ts'
import { TestOutbox } from '../relay/outbox.ts'

/** What would mean every event, or nothing at all, by mistake. */
const WRONG: readonly (readonly [string, object])[] = [
  ['published', { published: -1 }],
  ['published', { published: Number.NaN }],
  ['published', { published: '7d' }],
  ['cancelled', { cancelled: -1 }],
  ['keep.cancelled', { keep: { cancelled: -1 } }],
  ['keep.cancelled', { keep: { cancelled: '1' } }],
  ['keep.publishd', { keep: { publishd: 5 } }],
  ['inbox', { inbox: -1 }],
  ['audit', { audit: -1 }],
  ['archive', { archive: '' }],
  ['kep', { kep: { published: 5 } }],
]

test('a purge refuses what is no time and no number, and deletes nothing', async () => {
  await using outbox = new TestOutbox()
  const { admin, events } = outbox.broadcaster
  await outbox.publish(['a', 'b'])
  await admin.cancel({ all: true })
  for (const [field, wrong] of WRONG) {
    const options = { published: null, failed: null, ...wrong } as PurgeOptions
    await assert.rejects(admin.purge(options), { code: 'INVALID_OPTION', field }, JSON.stringify(wrong))
  }
  assert.equal(await events.count(), 2)
  assert.deepEqual(await admin.audit({ what: 'purge' }), [])
  const long = Number.MAX_SAFE_INTEGER
  const fine = { published: long, failed: null, cancelled: undefined, type: undefined, inbox: long, audit: long }
  assert.equal(await admin.purge({ ...fine, keep: { cancelled: 1 } }), 1, 'the control')
})
