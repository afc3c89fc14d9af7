import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { kafka } from '../../src/kafka/kafka.ts'
import { requireServer } from '../support/servers.ts'
import { StoppableProxy } from './stoppable-proxy.ts'

const never = new AbortController().signal

test('kafka: what opens at the same time opens one producer, and close closes all of it', {
  timeout: 60_000,
}, async (t) => {
  const server = requireServer(t, 'kafka')
  if (!server) return
  // All producers come by this way first.
  const proxy = await StoppableProxy.to(Number(new URL(server.url).port))
  t.after(() => proxy.stop())
  const backend = kafka({ bootstrapServers: `127.0.0.1:${proxy.port}` })
  await Promise.all(Array.from({ length: 4 }, () => backend.connect?.(never)))
  assert.equal(proxy.connections, 1)
  await backend.close()
  while (proxy.connections > 0) await setTimeout(10, undefined, { signal: t.signal })
})
