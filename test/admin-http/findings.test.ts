import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { FindingsAnswer } from '../../src/admin-http/api-types.ts'
import { FindingsFeed } from '../../src/admin-http/findings-feed.ts'
import type { Store } from '../../src/store/store.ts'
import { adminHandler, asking, BY_TOKEN, outboxInMemory } from './desk.ts'

test('the findings are those of a thorough look, one for all who ask', async (t) => {
  const broadcaster = await outboxInMemory()
  t.after(() => broadcaster.close())
  const store = broadcaster.store as Store
  let looks = 0
  const inbox = { name: 'outbox_inbox', bytes: 2 ** 31, indexBytes: null, rows: null, indexes: [] }
  store.schema.sizes = async () => {
    looks++
    return [inbox]
  }
  const ask = asking(adminHandler(broadcaster, BY_TOKEN))
  const codes = async (path: string): Promise<readonly string[]> =>
    (await ask(path, { as: 'viewer' })).json<FindingsAnswer>().findings.map(({ code }) => code)
  const [found] = await Promise.all([codes('api/findings'), codes('api/findings'), codes('api/findings?again=yes')])
  assert.ok(found.includes('inbox-large'))
  assert.ok(found.includes('schema-current'), 'those of a status, too')
  assert.ok((await codes('api/findings?again=yes')).includes('inbox-large'))
  assert.equal(looks, 1)
  assert.ok(!(await codes('api/status')).includes('inbox-large'), 'a status is read each second, and looks at no sizes')
  assert.equal(looks, 1)
})

test('a thorough look serves for a minute, and for five seconds who asks to look again', async (t) => {
  t.mock.method(performance, 'now', () => now)
  let now = 0
  let looks = 0
  const feed = new FindingsFeed(async () => ({ findings: [], at: String(++looks) }), 1_000)
  const at = async (again: boolean, time: number): Promise<unknown> => {
    now = time
    return (await feed.read(again)).at
  }
  assert.equal(await at(false, 0), '1')
  assert.equal(await at(false, 59_999), '1')
  assert.equal(await at(true, 59_999), '2')
  assert.equal(await at(true, 64_998), '2')
  assert.equal(await at(true, 64_999), '3')
  assert.equal(await at(false, 124_998), '3')
  assert.equal(await at(false, 124_999), '4')
})

test('a look that takes too long keeps nobody waiting, is not begun a second time, and serves who asks next', async () => {
  const looking = Promise.withResolvers<FindingsAnswer>()
  let looks = 0
  const look = (): Promise<FindingsAnswer> => {
    looks++
    return looking.promise
  }
  const feed = new FindingsFeed(look, 20)
  await assert.rejects(feed.read(false), { code: 'TIMEOUT' })
  await assert.rejects(feed.read(true), { code: 'TIMEOUT' })
  looking.resolve({ findings: [], at: null })
  await setTimeout(0)
  assert.deepEqual(await feed.read(false), { findings: [], at: null })
  assert.equal(looks, 1)
})

test('a look that fails is told, and the next one begins anew', async () => {
  let looks = 0
  const feed = new FindingsFeed(async () => {
    if (++looks === 1) throw new Error('no database')
    return { findings: [], at: null }
  }, 1_000)
  await assert.rejects(feed.read(false), /no database/)
  assert.deepEqual(await feed.read(false), { findings: [], at: null })
})
