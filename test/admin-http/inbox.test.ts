import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { InboxAnswer } from '../../src/admin-http/api-types.ts'
import { adminHandler, asking, BY_TOKEN, outboxInMemory } from './desk.ts'

test('the inbox, page by page, each entry once', async (t) => {
  const broadcaster = await outboxInMemory()
  t.after(() => broadcaster.close())
  const ask = asking(adminHandler(broadcaster, BY_TOKEN))
  assert.deepEqual((await ask('api/inbox', { as: 'viewer' })).json<InboxAnswer>(), { inbox: [], next: null })
  await broadcaster.transaction(async (tx) => {
    for (let n = 0; n < 120; n++) {
      await broadcaster.inbox.once(tx, 'mail', { source: '/orders', id: `o-${n}` }, () => undefined)
    }
  })
  const ids: string[] = []
  let pages = 0
  for (let after: string | null = ''; after !== null; pages++) {
    const path: string = after === '' ? 'api/inbox' : `api/inbox?after=${after}`
    const { inbox, next } = (await ask(path, { as: 'viewer' })).json<InboxAnswer>()
    ids.push(...inbox.map(({ eventId }) => eventId))
    assert.ok(inbox.every(({ consumer, source }) => consumer === 'mail' && source === '/orders'))
    after = next
  }
  assert.equal(pages, 3)
  assert.equal(new Set(ids).size, 120)
  assert.equal(ids.length, 120)
})
