import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import { skipWithout, requireServer } from '../support/servers.ts'

test('a', (t) => {
  t.diagnostic('hello diag')
  console.log('printed')
  assert.ok(true)
})
describe('b', () => {
  it('c', async () => {
    await Promise.resolve()
    assert.deepEqual({a: 1}, {a: 2})
  })
})
describe('skip all', { skip: skipWithout('pgbouncer') }, () => {
  it('c', async () => {})
  it('d', async () => {})
})
test('s', (t) => { if (!requireServer(t, 'pgbouncer')) return })
test('s2', async (t) => { await t.test('in', () => { throw new Error('x', {cause: new Error('y')})}) })
