import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adminHandler } from 'ts-broadcaster/admin'
import type { KeysAnswer } from '../../src/admin-http/api-types.ts'
import { asking, BY_TOKEN, outboxInMemory } from '../admin-http/desk.ts'

test('all blocked keys are listed, page by page, however many: by code, over HTTP, and of every backend', async () => {
  const broadcaster = await outboxInMemory('blocked-keys')
  const wanted: string[] = []
  for (let n = 0; n < 130; n++) {
    const backend = n % 3 === 0 ? 'partners' : 'default'
    const event = await broadcaster.events.create(
      { type: 'order.created', source: '/x', partitionKey: `k${n}` },
      { backend },
    )
    await event.markAsFailed('refused')
    wanted.push(`${backend} k${n}`)
  }
  for (const limit of [7, 50, 1_000]) {
    const found: string[] = []
    let after: Parameters<typeof broadcaster.admin.blockedKeys>[0] = {}
    for (;;) {
      const { keys, next } = await broadcaster.admin.blockedKeys({ ...after, limit })
      found.push(...keys.map(({ backend, partitionKey }) => `${backend} ${partitionKey}`))
      if (next === null) break
      after = { after: next }
    }
    assert.deepEqual(found.toSorted(), wanted.toSorted())
  }
  const ask = asking(adminHandler(broadcaster, { ...BY_TOKEN, showKeys: true }))
  const shown: string[] = []
  for (let path: string | null = 'api/keys'; path !== null; ) {
    const answer: KeysAnswer = (await ask(path, { as: 'viewer' })).json<KeysAnswer>()
    assert.ok(answer.blocked.every(({ head, waiting }) => head !== null && waiting === 0))
    shown.push(...answer.blocked.map(({ backend, key }) => `${backend} ${key}`))
    path = answer.next && `api/keys?after=${encodeURIComponent(answer.next)}`
  }
  assert.deepEqual(shown.toSorted(), wanted.toSorted())
  assert.equal((await ask('api/keys?after=x', { as: 'viewer' })).status, 400)
})
