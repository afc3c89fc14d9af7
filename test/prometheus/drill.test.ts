import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { prometheus } from '../../src/prometheus/prometheus.ts'
import { postgres } from '../../src/store/postgres/postgres.ts'
import { freePort, RedisProcess, skipWithoutRedisServer } from '../backend/redis-process.ts'
import { root } from '../project/source-files.ts'
import { openPlace, type Place } from '../store/postgres-place.ts'
import { skipWithoutPrometheus } from '../support/promtool.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { PrometheusProcess } from './prometheus-process.ts'

/*
 * Alerts in a real Prometheus, on what a service and a worker process tell: each fires when the trouble begins and clears when
 * it is over. The rules are those of `ops/`, without their patience.
 */

const NAME = 'drill'

/** The rules as they stand, judged at once and by seconds. */
function hasty(rules: string): string {
  const quick = rules
    .replaceAll(/^ +for: .*\n/gm, '')
    .replaceAll(/\[\d+[mh]\]/g, '[2s]')
    .replace('> 3600', '> 1')
  assert.notEqual(quick, rules)
  return quick
}

const configFor = (url: string, schema: string, redisUrl: string): string => `
import { handlers } from '${root}/src/backend/handlers/handlers.ts'
import { PermanentError } from '${root}/src/backend/send-error.ts'
import { redisStreams } from '${root}/src/redis-streams/redis-streams.ts'
import { postgres } from '${root}/src/store/postgres/postgres.ts'
const local = handlers()
local.registry.on('*', (event) => { if (event.data === 'bad') throw new PermanentError('refused') }, { name: 'all' })
export default {
  name: '${NAME}',
  store: postgres({ url: '${url}', schema: '${schema}' }),
  backends: { main: redisStreams({ url: '${redisUrl}', stream: 'drill' }), local },
  worker: {
    lease: 1_000,
    sendTimeout: 500,
    pollInterval: 100,
    breaker: { firstProbe: 100, probeInterval: 200 },
    retention: { published: 0, interval: 100 },
  },
}
`

const skip = skipWithoutPrometheus() || skipWithoutRedisServer() || skipWithout('postgres')

describe('a drill of the alerts', { skip, timeout: 240_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-drill-'))
  const closing: (() => unknown)[] = []
  let place: Place
  let redis: RedisProcess
  let broadcaster: Broadcaster
  let alerts: PrometheusProcess
  let worker: ChildProcess
  let workerPort = 0

  const publish = (backend: string, data: string, partitionKey?: string) =>
    broadcaster.transaction((tx) =>
      broadcaster.publish(tx, { type: 'drill.happened', source: '/drill', data }, { backend, partitionKey }),
    )

  /** Resolves when the worker says that it works. */
  async function startWorker(): Promise<void> {
    const args = ['worker', '--metrics-port', String(workerPort), '--config', join(folder, 'broadcaster.config.mjs')]
    worker = spawn(process.execPath, [join(root, 'src/cli/main.ts'), ...args], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    assert.ok(worker.stdout)
    for await (const line of createInterface({ input: worker.stdout })) {
      if (!/worker .* started/.test(line)) continue
      // Whatever else it says is not kept.
      worker.stdout.resume()
      return
    }
    throw new Error('the worker ended')
  }

  async function killWorker(): Promise<void> {
    if (worker === undefined || worker.exitCode !== null || worker.signalCode !== null) return
    const exited = once(worker, 'exit')
    worker.kill('SIGKILL')
    await exited
  }

  before(async () => {
    closing.push(() => rmSync(folder, { recursive: true }))
    const url = servers.postgres()?.url ?? ''
    place = openPlace(url)
    closing.push(() => place.close())
    redis = await RedisProcess.start()
    closing.push(() => redis.remove())
    writeFileSync(join(folder, 'broadcaster.config.mjs'), configFor(url, place.schema, redis.url))
    const store = postgres({ pool: place.pool, schema: place.schema })
    await store.schema.migrate({ lanes: 8 })
    broadcaster = new Broadcaster({
      name: NAME,
      store,
      // It only publishes.
      backends: { main: memoryBackend(), local: memoryBackend() },
      logger: false,
    })
    closing.push(() => broadcaster.close())
    const metrics = prometheus(broadcaster, { maxAge: 100 })
    closing.push(() => metrics.close())
    const service = createServer(async (_request, response) => {
      response.setHeader('content-type', metrics.contentType).end(await metrics.metrics())
    })
    service.listen(0, '127.0.0.1')
    await once(service, 'listening')
    closing.push(() => service.close().closeAllConnections())
    const address = service.address()
    assert.ok(address !== null && typeof address === 'object')
    workerPort = await freePort()
    const rules = hasty(readFileSync(join(root, 'ops/prometheus/alerts.yaml'), 'utf8'))
    alerts = await PrometheusProcess.start(rules, [`127.0.0.1:${address.port}`, `127.0.0.1:${workerPort}`])
    closing.push(() => alerts.remove())
    closing.push(killWorker)
  })
  after(async () => {
    for (const close of closing.reverse()) await close()
  })

  test('no worker: fires until one works', async () => {
    await alerts.until('BroadcasterNoWorker', true, { outbox: NAME })
    await startWorker()
    await alerts.until('BroadcasterNoWorker', false)
  })

  test('the broker is stopped: its breaker opens, and closes when it is back', async () => {
    await publish('main', 'first')
    await redis.stop()
    await publish('main', 'second')
    await alerts.until('BroadcasterBreakerOpen', true, { backend: 'main' })
    assert.ok(((await alerts.value('broadcaster_stuck_events{backend="main"}')) ?? 0) >= 1)
    await redis.start()
    await alerts.until('BroadcasterBreakerOpen', false)
    assert.equal(await alerts.value('broadcaster_events_failed_total{backend="main"}'), 0, 'an outage fails nothing')
  })

  test('an event fails for good: it is told, and its key is blocked until somebody lets it go on', async () => {
    await publish('local', 'bad', 'key')
    await publish('local', 'good', 'key')
    await alerts.until('BroadcasterEventsFailed', true)
    await alerts.until('BroadcasterKeysBlocked', true, { backend: 'local' })
    await broadcaster.admin.skip({ status: 'failed' })
    await alerts.until('BroadcasterKeysBlocked', false)
    await alerts.until('BroadcasterEventsFailed', false)
  })

  test('retention cannot delete: it falls behind until it can', async () => {
    const { pool, schema } = place
    await pool.query(`
CREATE FUNCTION ${schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
CREATE TRIGGER refuse BEFORE DELETE ON ${schema}.outbox_events FOR EACH ROW EXECUTE FUNCTION ${schema}.refuse()`)
    await publish('local', 'good')
    await alerts.until('BroadcasterRetentionBehind', true, { outbox: NAME })
    await pool.query(`DROP TRIGGER refuse ON ${schema}.outbox_events`)
    await alerts.until('BroadcasterRetentionBehind', false)
  })

  test('the worker is killed: nobody works when its lease has ended, until another does', async () => {
    await killWorker()
    await alerts.until('BroadcasterNoWorker', true)
    await startWorker()
    await alerts.until('BroadcasterNoWorker', false)
  })
})
