import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Finding, FindingCode } from '../../src/admin/finding.ts'
import type { StatusOptions } from '../../src/admin/status-options.ts'
import { type Backend, delivered, notDelivered } from '../../src/backend/backend.ts'
import { OutageError, PermanentError } from '../../src/backend/send-error.ts'
import { Broadcaster } from '../../src/broadcaster.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES, type PlacedStore } from '../support/store-places.ts'

/**
 * Each fault that doctor knows is planted in a real database, found, and mended by what the finding says; and none of them has a say in whether
 * the outbox is alive. Those of a server (read-only, long transactions, dead rows) are in `test/store/inspect.test.ts`.
 */

type Kind = (typeof PLACED_STORES)[number]['name']

interface Scene extends PlacedStore {
  readonly kind: Kind
  broadcaster: Broadcaster
  /** With another backend beside `main`. */
  withBackends(...names: readonly string[]): Broadcaster
  /** Whether the broker answers. */
  isUp: boolean
  /** Whether it refuses each event. */
  isRefusing: boolean
  /** Sets this host's clock to so many ms after its own. */
  clock(shift: number): void
}

interface Fault {
  readonly code: FindingCode
  readonly title: string
  readonly on?: readonly Kind[]
  readonly options?: StatusOptions
  plant(scene: Scene): Promise<unknown>
  /** Does what the finding says. */
  mend(scene: Scene, finding: Finding): Promise<unknown>
}

const event = { type: 'order.created', source: '/orders', partitionKey: 'k' }
const publish = ({ broadcaster }: Scene): Promise<unknown> =>
  broadcaster.transaction((tx) => broadcaster.publish(tx, event))

const migrate = async ({ store }: Scene, { cure, fix }: Finding): Promise<void> => {
  assert.deepEqual([cure, fix], ['broadcaster migrate', 'migrate'])
  await store.schema.migrate()
}

/** Runs the statement that the cure gives, past the store. */
const run = async ({ look }: Scene, { cure = '' }: Finding): Promise<unknown> => {
  const sql = cure.replace(/;( \(.*\))?$/, '').replaceAll(/["`]/g, '')
  return look(sql.replaceAll(/place_\w+\.outbox_/g, 'outbox_'))
}

async function deliverAll({ broadcaster }: Scene): Promise<void> {
  await broadcaster.worker().drain()
}

const FAULTS: readonly Fault[] = [
  {
    code: 'schema-outdated',
    title: 'a database without an outbox',
    plant: async ({ store, kind, look }) => {
      const { version } = await store.schema.status()
      assert.ok(version > 0)
      // SQLite drops what belongs to a table with it, the others need to be told.
      const drop = (name: string): Promise<unknown> =>
        look(`DROP TABLE ${name}${kind === 'postgres' ? ' CASCADE' : ''}`)
      await drop('outbox_migrations')
      await drop('outbox_events')
    },
    mend: migrate,
  },
  {
    code: 'schema-drift',
    title: 'a trigger that somebody dropped',
    on: ['postgres'],
    plant: ({ look }) => look('DROP FUNCTION outbox_wake CASCADE'),
    mend: migrate,
  },
  {
    code: 'schema-drift',
    title: 'a table that a tool dropped since it did not know it',
    plant: ({ look }) => look('DROP TABLE outbox_inbox'),
    mend: migrate,
  },
  {
    code: 'schema-drift',
    title: 'a table that each status reads',
    plant: ({ look }) => look('DROP TABLE outbox_breakers'),
    mend: migrate,
  },
  {
    code: 'extra-index',
    title: 'an index that no worker reads',
    plant: ({ look, kind }) =>
      kind === 'mariadb' || kind === 'mysql'
        ? look('CREATE INDEX by_type ON outbox_events (event_type(50))')
        : look('CREATE INDEX by_type ON outbox_events (event_type)'),
    mend: run,
  },
  {
    code: 'unreachable-status',
    title: 'a status that does not exist, written by hand',
    plant: async (scene) => {
      await publish(scene)
      await scene.look(`UPDATE outbox_events SET status = 'sent'`)
    },
    mend: run,
  },
  {
    code: 'unreachable-lane',
    title: 'a lane that does not exist, written by hand',
    plant: async (scene) => {
      await publish(scene)
      await scene.look('UPDATE outbox_events SET lane = 99')
    },
    mend: run,
  },
  {
    code: 'retention-behind',
    title: 'an event that should have been deleted',
    plant: async (scene) => {
      await publish(scene)
      await deliverAll(scene)
      const { kind, look } = scene
      if (kind === 'postgres') {
        // By its id, which has the time in it.
        await look(
          `UPDATE outbox_events SET published_at = published_at - interval '90 days', id = CAST('018c0000' || substr(CAST(id AS text), 9) AS uuid)`,
        )
      } else if (kind === 'sqlite') {
        await look(
          `UPDATE outbox_events SET published_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-90 days'), updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-90 days')`,
        )
      } else await look(`UPDATE outbox_events SET published_at = published_at - INTERVAL 90 DAY`)
    },
    mend: async ({ broadcaster }) => broadcaster.admin.purge({ published: 7 * 86_400_000, failed: null }),
  },
  {
    code: 'inbox-large',
    title: 'an inbox that is larger than it may be',
    // The others tell the size of a table some time later.
    options: { maxInbox: 1_000_000 },
    on: ['postgres'],
    plant: ({ look }) =>
      look(`INSERT INTO outbox_inbox (consumer, source, event_id, handled_at)
        SELECT 'billing', '/orders', CAST(g AS text), now() - interval '30 days' FROM generate_series(1, 10000) AS g`),
    mend: async ({ broadcaster, look }, { cure }) => {
      assert.match(cure ?? '', /`retention: \{ inbox: \.\.\. \}` of a worker/)
      const worker = broadcaster.worker({ retention: { inbox: 86_400_000, interval: 100 } })
      await worker.start()
      const rows = async (): Promise<unknown> => (await look('SELECT count(*) AS n FROM outbox_inbox'))[0]?.['n']
      while ((await rows()) !== '0') await sleep(50)
      await worker.stop()
      // As autovacuum does, which may be off on this server.
      await look('VACUUM outbox_inbox')
    },
  },
  {
    code: 'no-worker',
    title: 'nobody delivers',
    plant: (scene) => publish(scene),
    mend: async ({ broadcaster }, { cure }) => {
      assert.equal(cure, 'broadcaster worker')
      await broadcaster.worker().start()
    },
  },
]

const MORE: readonly Fault[] = [
  {
    code: 'clock-differs',
    title: 'a host whose clock is behind',
    plant: async ({ clock }) => clock(-60_000),
    mend: async ({ clock }, { cure }) => {
      assert.match(cure ?? '', /^set the clock/)
      clock(0)
    },
  },
  {
    code: 'lanes-orphaned',
    title: 'a worker that was killed',
    plant: async ({ store }) => {
      const worker = await store.coordination.enter({ name: 'killed', backends: ['main'], lease: 100 })
      const { lanes } = await store.coordination.survey(['main'])
      assert.equal((await store.coordination.claim(worker, lanes)).length, 4)
      await sleep(200)
    },
    mend: ({ broadcaster }) => broadcaster.worker().start(),
  },
  {
    code: 'backend-paused',
    title: 'a pause that was forgotten',
    plant: ({ broadcaster }) => broadcaster.admin.pause('main', { by: 'ada' }),
    mend: ({ broadcaster }, { cure }) => {
      assert.equal(cure, 'broadcaster resume main')
      return broadcaster.admin.resume('main')
    },
  },
  {
    code: 'breaker-open',
    title: 'a broker that is away',
    plant: async (scene) => {
      scene.isUp = false
      await publish(scene)
      await scene.broadcaster.worker({ breaker: { firstProbe: 100, probeInterval: 100 } }).start()
      while ((await scene.broadcaster.status()).backends.every(({ openBreakers }) => openBreakers.length === 0))
        await sleep(20)
    },
    mend: async (scene, { cure }) => {
      assert.match(cure ?? '', /^repair main/)
      scene.isUp = true
    },
  },
  {
    code: 'backend-not-configured',
    title: 'events for a backend that this process does not have',
    plant: async ({ withBackends }) => {
      const other = withBackends('main', 'search')
      await other.transaction((tx) => other.publish(tx, event, { backend: 'search' }))
    },
    mend: async (scene, { cure }) => {
      assert.equal(cure, 'add search to `backends`')
      scene.broadcaster = scene.withBackends('main', 'search')
    },
  },
  {
    code: 'lag-too-great',
    title: 'an event that waits for longer than it should',
    options: { maxLag: 100 },
    plant: async (scene) => {
      await publish(scene)
      await sleep(200)
    },
    mend: deliverAll,
  },
  {
    code: 'events-failed',
    title: 'an event that failed, and blocks its key',
    plant: async (scene) => {
      scene.isRefusing = true
      await publish(scene)
      await deliverAll(scene)
      scene.isRefusing = false
    },
    mend: async (scene, { cure, level }) => {
      assert.deepEqual([cure?.split(',')[0], level], ['broadcaster list --status failed', 'wrong'])
      await scene.broadcaster.admin.requeue({ status: 'failed' })
      await deliverAll(scene)
    },
  },
]

for (const { name, server, open } of PLACED_STORES) {
  describe(`doctor on ${name}`, { skip: server ? skipWithout(server) : false }, () => {
    for (const fault of [...FAULTS, ...MORE].filter(({ on = [name] }) => on.includes(name))) {
      test(`${fault.code}: ${fault.title}`, { timeout: 60_000 }, async (t) => {
        const placed = await open()
        // In this order: a worker that is still at work would keep the connections of the place.
        const opened: Broadcaster[] = []
        t.after(async () => {
          for (const one of opened) await one.close()
          await placed.close()
        })
        const backend: Backend = {
          capabilities: { ordersWithinSend: true },
          async send(events) {
            if (!scene.isUp) throw new OutageError('ECONNREFUSED')
            return events.map(() => (scene.isRefusing ? notDelivered(new PermanentError('refused')) : delivered))
          },
          healthCheck: async () => ({ healthy: scene.isUp }),
          close: async () => {},
        }
        await placed.store.schema.migrate({ lanes: 4 })
        const withBackends = (...names: readonly string[]): Broadcaster => {
          const made = new Broadcaster({
            ...{ store: placed.store, logger: false as const, defaultBackend: 'main' },
            backends: Object.fromEntries(names.map((each) => [each, backend])),
          })
          opened.push(made)
          return made
        }
        const clock = (shift: number): void => {
          const { now } = Date
          if (shift === 0) t.mock.restoreAll()
          else t.mock.method(Date, 'now', () => now() + shift)
        }
        const broadcaster = withBackends('main')
        const scene: Scene = { ...placed, kind: name, broadcaster, isUp: true, isRefusing: false, withBackends, clock }
        const found = async (): Promise<readonly Finding[]> =>
          (await scene.broadcaster.status({ thorough: true, ...fault.options })).findings.filter(
            ({ code, level }) => code === fault.code && level !== 'fine',
          )
        if (fault.code === 'no-worker') await broadcaster.worker().drain()
        else assert.deepEqual(await found(), [], 'before')
        await fault.plant(scene)
        const [finding, ...more] = await found()
        assert.ok(
          finding !== undefined,
          `not found: ${JSON.stringify((await broadcaster.status({ thorough: true, ...fault.options })).findings)}`,
        )
        assert.deepEqual(more, [])
        assert.equal((await broadcaster.health()).live, true)
        await fault.mend(scene, finding)
        for (let n = 0; n < 50 && (await found()).length > 0; n++) await sleep(100)
        assert.deepEqual(await found(), [], 'mended')
      })
    }
  })
}
