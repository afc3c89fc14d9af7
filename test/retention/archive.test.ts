import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { Broadcaster } from '../../src/broadcaster.ts'
import { decodeStructured } from '../../src/event/structured.ts'
import type { OutboxEvent } from '../../src/record/outbox-event.ts'
import { memoryStore } from '../../src/store/memory/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { idsOf, insert, list, newEvent, own } from '../../src/testing/store/steps.ts'
import { recordingBackend, TestOutbox } from '../relay/outbox.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import type { ArchiveTask } from './archive-process.ts'

const EVENTS = 1_000

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'broadcaster-archive-'))
  try {
    await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Line {
  readonly id: string
  readonly status: string
  readonly event: Readonly<Record<string, unknown>>
}

/** The lines of all files that are whole by their names. */
function linesIn(folder: string): readonly string[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.ndjson.gz'))
  return files.flatMap((name) => {
    const text = gunzipSync(readFileSync(join(folder, name))).toString()
    assert.ok(text.endsWith('\n'))
    return text.slice(0, -1).split('\n')
  })
}

const archivedIn = (folder: string): readonly Line[] => linesIn(folder).map((line) => JSON.parse(line) as Line)

/** Published events; their ids. */
async function publishedIn(store: Store, count: number): Promise<readonly string[]> {
  const { ownership } = await own(store)
  const rows = await insert(store, ...Array.from({ length: count }, () => newEvent()))
  await store.relay.settle(
    ownership,
    rows.map(({ id, lane }) => ({ kind: 'published', generation: 0, id, lane })),
  )
  await delay(20)
  return idsOf(rows)
}

for (const kind of PLACED_STORES) {
  describe(`archive on ${kind.name}`, { skip: kind.server ? skipWithout(kind.server) : false }, () => {
    test('what is archived and what is there are what was published, however often the worker is killed', (t) =>
      withFolder(async (folder) => {
        const { store, place, close } = await kind.open()
        try {
          await store.schema.migrate({ lanes: 4 })
          const ids = await publishedIn(store, EVENTS)
          const left = async () => new Set(idsOf(await list(store, ['id'])))
          const run = async (dies: boolean, after?: number): Promise<void> => {
            const task: ArchiveTask = { place, folder, dies }
            const script = new URL('./archive-process.ts', import.meta.url).pathname
            const child = spawn(process.execPath, [script, JSON.stringify(task)], {
              stdio: ['ignore', 'pipe', 'inherit'],
            })
            const exit = once(child, 'exit')
            await Promise.race([once(child.stdout, 'data'), exit])
            if (after !== undefined) {
              await delay(after)
              child.kill('SIGKILL')
            }
            const [code, signal] = await exit
            if (!dies && after === undefined) assert.deepEqual([code, signal], [0, null])
            const there = await left()
            const archived = new Set(archivedIn(folder).map(({ id }) => id))
            assert.deepEqual(
              ids.filter((id) => !archived.has(id) && !there.has(id)),
              [],
              'none is lost',
            )
          }
          await run(true)
          assert.equal((await left()).size, EVENTS)
          assert.equal(archivedIn(folder).length, 25, 'the control: archived, and not deleted')
          let kills = 0
          for (; kills < 12 && (await left()).size > 100; kills++) await run(false, Math.random() * 60)
          await run(false)
          assert.equal((await left()).size, 0)
          const archived = archivedIn(folder)
          const twice = archived.length - EVENTS
          assert.ok(twice >= 25 && twice <= 25 * (kills + 1), `${twice} twice after ${kills} kills`)
          assert.deepEqual(new Set(archived.map(({ id }) => id)), new Set(ids))
          for (const { status, event } of archived.slice(0, 50)) {
            assert.equal(status, 'published')
            assert.equal(decodeStructured(JSON.stringify(event)).attributes['type'], 'order.created')
          }
          t.diagnostic(`${kills} kills, ${twice} of ${EVENTS} events archived twice`)
        } finally {
          await store.close()
          await close()
        }
      }))
  })
}

test('a line has the event to the letter, and its delivery', () =>
  withFolder(async (folder) => {
    await using outbox = new TestOutbox()
    await outbox.broadcaster.transaction(async (tx) => {
      const data = new TextEncoder().encode('text')
      await outbox.broadcaster.publish(tx, {
        type: 'a',
        source: '/s',
        id: 'own',
        data: { n: 12345678901234567890n, t: 'a\nb' },
      })
      await outbox.broadcaster.publish(tx, {
        type: 'b',
        source: '/s',
        data,
        dataContentType: 'text/plain',
        partitionKey: 'k',
      })
    })
    const retention = { published: 0, interval: 10, archive: folder }
    await outbox.broadcaster.worker({ retention }).start()
    await outbox.until(() => outbox.heard('events.purged').length > 0)
    await outbox.until(() => linesIn(folder).length === 2)
    const [first = '', second = ''] = linesIn(folder).toSorted((one, other) =>
      one.includes('"own"') ? -1 : other.length,
    )
    assert.match(first, /"data":\{"n":12345678901234567890,"t":"a\\nb"\}/)
    const { event, status, ...state } = JSON.parse(second) as Line & Record<string, unknown>
    assert.equal(event['data_base64'], 'dGV4dA==')
    assert.equal(event['partitionkey'], 'k')
    assert.deepEqual([status, state['publisherBackend'], state['retryCount']], ['published', 'main', 0])
    assert.ok(Date.parse(String(state['publishedAt'])) > 0)
  }))

test('a folder that is not there: nothing is deleted, it is told, and tried again', () =>
  withFolder(async (folder) => {
    const place = join(folder, 'mounted')
    await using outbox = new TestOutbox()
    await outbox.publish(['a', 'b'])
    await outbox.broadcaster.worker({ retention: { published: 0, interval: 10, archive: place } }).start()
    const failures = () => outbox.heard('worker.error').map(({ error }) => error as Error & { readonly code: string })
    await outbox.until(() => failures().length > 2)
    assert.equal(await outbox.broadcaster.events.count(), 2)
    assert.equal(
      new Set(failures().map(({ message }) => message)).size,
      1,
      'the same words each time, so that a log tells it once',
    )
    assert.equal(
      failures()[0]?.message,
      `events could not be archived in ${place}, so they were not deleted: ENOENT`,
      'earlier ones may have been',
    )
    assert.equal(failures()[0]?.code, 'ARCHIVE_FAILED')
    mkdirSync(place)
    await outbox.until(() => outbox.heard('events.purged').length > 0)
    assert.deepEqual(archivedIn(place).length, 2)
  }))

test('a row that plain SQL made no CloudEvent of is archived with its columns, and keeps no other', () =>
  withFolder(async (folder) => {
    const store = memoryStore({ lanes: 2 }) as Store
    const { list: listed } = store.admin
    const wrong = [{ extensions: '[1' }, { data: 'no JSON' }, {}]
    store.admin.list = async (query) => (await listed(query)).map((row, n) => ({ ...row, ...wrong[n] }))
    await publishedIn(store, 3)
    await using broadcaster = new Broadcaster({ store, backends: { main: recordingBackend() } })
    assert.equal(await broadcaster.admin.purge({ published: 0, failed: null, archive: folder }), 3)
    const found = archivedIn(folder) as readonly (Line & { readonly row?: Readonly<Record<string, unknown>> })[]
    assert.deepEqual(
      found.map(({ event }) => event === null),
      [true, true, false],
    )
    assert.deepEqual(
      found.map(({ row }) => row?.['data']),
      [newEvent().data, 'no JSON', undefined],
    )
    assert.equal(found[0]?.row?.['extensions'], '[1')
  }))

test('a function is given the events before they are deleted, and one that throws keeps them', async () => {
  const given: string[] = []
  let isBroken = true
  let had = -1
  await using outbox = new TestOutbox()
  const archive = async (events: readonly OutboxEvent[]): Promise<void> => {
    if (isBroken) throw new Error('the bucket is not there')
    had = await outbox.broadcaster.events.count()
    given.push(...events.map(({ partitionKey }) => `${partitionKey}`))
  }
  await outbox.publish(['a', 'b', 'c'])
  await outbox.broadcaster.worker({ retention: { published: 0, interval: 10, archive } }).start()
  await outbox.until(() => outbox.heard('worker.error').length > 2)
  assert.equal(await outbox.broadcaster.events.count(), 3)
  isBroken = false
  await outbox.until(() => outbox.heard('events.purged').length > 0)
  assert.deepEqual([had, given.toSorted()], [3, ['a', 'b', 'c']])
})

test('a purge archives as the workers do, or where it is told to, or not at all', () =>
  withFolder(async (folder) => {
    const store = memoryStore({ lanes: 2 }) as Store
    const worker = { retention: { archive: folder } }
    await using broadcaster = new Broadcaster({ store, backends: { main: recordingBackend() }, worker })
    const { admin } = broadcaster
    const elsewhere: string[] = []
    const purgeOne = async (more: object): Promise<number> => {
      await publishedIn(store, 1)
      return admin.purge({ published: 0, failed: null, ...more })
    }
    assert.equal(await purgeOne({}), 1)
    assert.equal(archivedIn(folder).length, 1)
    assert.equal(await purgeOne({ archive: false }), 1)
    const archive = async (events: readonly OutboxEvent[]) => void elsewhere.push(...idsOf(events))
    assert.equal(await purgeOne({ archive }), 1)
    assert.equal(elsewhere.length, 1)
    assert.equal(archivedIn(folder).length, 1)
    await assert.rejects(purgeOne({ archive: join(folder, 'none') }), { code: 'ARCHIVE_FAILED' })
    const audit = await admin.audit()
    assert.equal(audit[0]?.outcome, 'failed')
    assert.deepEqual(
      audit.map(({ target }) => (target.to as { readonly archive?: unknown }).archive),
      [join(folder, 'none'), 'a function', false, undefined],
    )
    assert.equal(await broadcaster.events.count(), 1)
  }))

test('what a writer that died has left is deleted after an hour, and nothing else', () =>
  withFolder(async (folder) => {
    const names = ['outbox-old.ndjson.gz.unfinished', 'outbox-new.ndjson.gz.unfinished', 'old.txt', 'notes.unfinished']
    for (const name of names) writeFileSync(join(folder, name), '')
    for (const name of names.filter((name) => !name.includes('new'))) utimesSync(join(folder, name), 0, 0)
    // What another worker has renamed since its name was read is not there either.
    symlinkSync(join(folder, 'nothing'), join(folder, 'outbox-gone.ndjson.gz.unfinished'))
    const store = memoryStore({ lanes: 2 }) as Store
    await using outbox = new TestOutbox({}, store)
    await publishedIn(store, 1)
    await outbox.broadcaster.admin.purge({ published: 0, failed: null, archive: folder })
    const found = readdirSync(folder).toSorted()
    assert.deepEqual(
      found.filter((name) => !name.endsWith('.ndjson.gz')),
      ['notes.unfinished', 'old.txt', 'outbox-gone.ndjson.gz.unfinished', 'outbox-new.ndjson.gz.unfinished'],
    )
    assert.equal(found.length, 5)
  }))
