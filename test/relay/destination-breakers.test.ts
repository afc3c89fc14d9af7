/** The breakers of places behind a backend, by themselves. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Backend } from '../../src/backend/backend.ts'
import { Destinations, type DestinationsParts } from '../../src/relay/destinations.ts'

function destinations(given: { readonly isMine?: boolean; readonly rows?: readonly object[] } = {}) {
  const calls: (readonly unknown[])[] = []
  const said: string[] = []
  const asked =
    (name: string, answer: unknown) =>
    async (...of: readonly unknown[]) => {
      calls.push([name, ...of.slice(1)])
      return answer
    }
  const store = {
    list: asked('list', given.rows ?? []),
    open: asked('open', true),
    tryProbe: asked('tryProbe', given.isMine ?? true),
    postpone: asked('postpone', undefined),
    close: asked('close', true),
  }
  const parts = {
    backend: { destination: (event: { readonly to: string }) => event.to } as unknown as Backend,
    name: 'main',
    worker: 'w',
    store,
    signals: { emit: (name: string) => said.push(name) },
    breaker: { firstProbe: 60_000, probeInterval: 90_000 },
    onError: (error: unknown) => assert.fail(String(error)),
  }
  return { calls, said, all: new Destinations(parts as unknown as DestinationsParts) }
}

test('one that is down gets nothing until a probe is due, and is told to all', async () => {
  const { all, calls, said } = destinations()
  assert.equal(all.admit('there'), 'send')
  await all.tripped('there', new Error('away'), 0)
  assert.deepEqual([all.isOpen('there'), all.isOpen('elsewhere'), all.isOpen(undefined)], [true, false, false])
  assert.deepEqual([all.admit('there'), all.admit('elsewhere'), all.admit(undefined)], ['park', 'send', 'send'])
  await all.tripped('there', new Error('still away'), 100_000)
  assert.deepEqual(calls.slice(1), [
    ['open', 'there', 60_000, 'away'],
    ['postpone', 'there', 100_000, 'still away'],
  ])
  assert.deepEqual(said, ['destination.down'])
})

test('one event tries it, of the worker that has the right', async () => {
  for (const isMine of [true, false]) {
    const { all } = destinations({ isMine, rows: [{ destination: 'there', probeIn: 0, since: 5, error: 'away' }] })
    all.admit('there')
    await turn()
    assert.deepEqual([all.admit('there'), all.admit('there')], ['probe', 'park'])
    assert.equal(await all.mayGo('there', 1_000), isMine)
  }
  const { all } = destinations()
  assert.equal(await all.mayGo('there', 1_000), true, 'it is not down')
})

test('one that took an event again is open for all', async () => {
  const { all, calls, said } = destinations()
  await all.tripped('there', new Error('away'), 0)
  await all.recovered('there')
  await all.recovered('there')
  assert.equal(all.admit('there'), 'send')
  assert.deepEqual(
    calls.filter(([name]) => name === 'close'),
    [['close', 'there']],
  )
  assert.deepEqual(said, ['destination.down', 'destination.up'])
})
