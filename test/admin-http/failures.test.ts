import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adminHandler } from 'ts-broadcaster/admin'
import type { ActionAnswer, DryRunAnswer } from '../../src/admin-http/api-operations.ts'
import type { EventsAnswer, FailuresAnswer } from '../../src/admin-http/api-types.ts'
import { asking, BY_TOKEN, outboxInMemory } from './desk.ts'

const broadcaster = await outboxInMemory('failures')
const ask = asking(adminHandler(broadcaster, BY_TOKEN))

/** Each error, and how often it is planted. The same words stand in several, and one has none. */
const ERRORS: Readonly<Record<string, number>> = {
  timeout: 3,
  'connect timeout after 5000 ms': 2,
  'connect  timeout\nafter 70 ms': 1,
  '404': 2,
  '500': 1,
  'card "4711" of order 0198c2a0-7c1e-7000-8000-000000000000 is \\ "declined"': 2,
}
for (const [error, count] of Object.entries(ERRORS)) {
  for (let n = 0; n < count; n++) {
    const event = await broadcaster.events.create({ type: 'order.created', source: '/x' })
    await event.markAsFailed(error)
  }
}

test('the filter of a group means the events of that group and no other, whatever stands in its error', async () => {
  const { groups } = (await ask('api/failures', { as: 'viewer' })).json<FailuresAnswer>()
  assert.deepEqual(Object.fromEntries(groups.map(({ pattern, count }) => [pattern, count])), {
    timeout: 3,
    'connect timeout after <n> ms': 3,
    '<n>': 3,
    'card <value> of order <id> is \\ <value>': 2,
  })
  for (const { q, pattern, count } of groups) {
    const { events } = (await ask(`api/events?q=${encodeURIComponent(q)}`, { as: 'viewer' })).json<EventsAnswer>()
    assert.equal(events.length, count, pattern)
    const body = JSON.stringify({ q, dryRun: true })
    assert.equal(
      (await ask('api/actions/requeue', { as: 'operator', body })).json<DryRunAnswer>().count,
      count,
      pattern,
    )
  }
})

test('a requeue of a group leaves the other groups alone', async () => {
  const { groups } = (await ask('api/failures', { as: 'viewer' })).json<FailuresAnswer>()
  const group = groups.find(({ pattern }) => pattern === '<n>')
  const body = JSON.stringify({ q: group?.q })
  assert.equal((await ask('api/actions/requeue', { as: 'operator', body })).json<ActionAnswer>().moved, 3)
  assert.equal(await broadcaster.admin.count({ status: 'failed' }), 8)
})

test('a group is found by its stored fingerprint', async () => {
  const { groups } = (await ask('api/failures?q=backend:default', { as: 'viewer' })).json<FailuresAnswer>()
  for (const { q, fingerprint } of groups) assert.equal(q, `status:failed backend:"default" fingerprint:${fingerprint}`)
  assert.ok(groups.length > 0)
  assert.equal(new Set(groups.map(({ fingerprint }) => fingerprint)).size, groups.length)
})
