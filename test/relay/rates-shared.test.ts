import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { eachEvent } from '../../src/backend/each-event.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { LAPSE } from '../../src/relay/rate-gate.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import type { RateTask } from './rate-worker-process.ts'

const EVENTS = 300
const KEYS = 20
const RATE = { events: 100, per: 1_000, burst: 10 }
/** A permit may be used so late, and what was sent in time may be received late on a busy machine. In ms. */
const LATE = LAPSE + 500

/** The most that came in any time beyond what the rate allows for that time; <= the burst when it was kept. */
function mostOver(times: readonly number[], late: number): number {
  let most = Number.NEGATIVE_INFINITY
  for (const [from, first] of times.entries()) {
    for (let to = from; to < times.length; to++) {
      const allowed = (((times[to] ?? 0) - first + late) * RATE.events) / RATE.per
      most = Math.max(most, to - from + 1 - allowed)
    }
  }
  return most
}

test('the count finds what is over the rate', () => {
  const even = Array.from({ length: EVENTS }, (_, n) => n * 10)
  assert.ok(mostOver(even, 0) <= 1)
  // As from two workers that each keep the rate by themselves.
  const twice = even.flatMap((at) => [at, at])
  assert.ok(mostOver(twice, LATE) > RATE.burst)
})

for (const kind of PLACED_STORES.filter(({ name }) => name !== 'sqlite')) {
  const skip = kind.server !== undefined && skipWithout(kind.server)
  describe(`a rate shared by workers in processes of their own: ${kind.name}`, { skip }, () => {
    test('holds for both together, and when one is killed and another takes its place', async (t) => {
      const { place, store, close } = await kind.open()
      const received: { readonly at: number; readonly key: string; readonly n: number }[] = []
      let look = (): void => undefined
      const server = createServer((request, response) => {
        const at = performance.now()
        let body = ''
        request.on('data', (chunk) => {
          body += chunk
        })
        request.on('end', () => {
          const { partitionkey, data } = JSON.parse(body)
          received.push({ at, key: partitionkey, n: data })
          response.writeHead(204).end()
          look()
        })
      })
      await once(server.listen(0, '127.0.0.1'), 'listening')
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
      const children = new Set<ChildProcess>()
      const start = async (): Promise<ChildProcess> => {
        const task: RateTask = { place, url, rate: RATE }
        const child = fork(new URL('./rate-worker-process.ts', import.meta.url), [JSON.stringify(task)])
        children.add(child)
        const died = once(child, 'exit').then(([code]) => Promise.reject(new Error(`a worker ended with ${code}`)))
        await Promise.race([once(child, 'message'), died])
        died.catch(() => undefined)
        return child
      }
      /** Something that hangs fails, and says how far it came. */
      const until = async (isSo: () => boolean): Promise<void> => {
        const { promise, resolve, reject } = Promise.withResolvers<void>()
        const lost = setTimeout(() => reject(new Error(`it hangs: ${received.length} of ${EVENTS} received`)), 30_000)
        look = () => (isSo() ? resolve() : undefined)
        look()
        await promise.finally(() => clearTimeout(lost))
      }
      try {
        await using broadcaster = new Broadcaster({ store, backends: { default: eachEvent(() => undefined) } })
        await broadcaster.store.schema.migrate({ lanes: 16 })
        const [victim] = await Promise.all([start(), start()])
        const event = (n: number) => ({ type: 'test.rate', source: '/test', data: n, partitionKey: `k${n % KEYS}` })
        await broadcaster.transaction((tx) =>
          broadcaster.publishMany(
            tx,
            Array.from({ length: EVENTS }, (_, n) => event(n)),
          ),
        )
        await until(() => received.length >= EVENTS / 3)
        victim.kill('SIGKILL')
        children.delete(victim)
        await start()
        await until(() => new Set(received.map(({ n }) => n)).size === EVENTS)
        const times = received.map(({ at }) => at)
        const over = mostOver(times, 0)
        const took = (times.at(-1) ?? 0) - (times[0] ?? 0)
        t.diagnostic(
          `${received.length} received in ${Math.round(took)} ms; at most ${over.toFixed(1)} over the rate in any time, burst ${RATE.burst}`,
        )
        assert.ok(mostOver(times, LATE) <= RATE.burst)
        for (let key = 0; key < KEYS; key++) {
          const firsts = [...new Set(received.filter((one) => one.key === `k${key}`).map(({ n }) => n))]
          assert.deepEqual(
            firsts,
            firsts.toSorted((a, b) => a - b),
          )
        }
      } finally {
        const ended = [...children].map((child) => {
          const exit = once(child, 'exit')
          child.send('stop')
          return exit
        })
        await Promise.all(ended)
        server.closeAllConnections()
        server.close()
        await close()
      }
    })
  })
}
