import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { describe, test } from 'node:test'
import { Broadcaster } from 'ts-broadcaster'
import { memoryBackend } from 'ts-broadcaster/memory'
import { onSignal } from '../../src/telemetry/signals.ts'
import { skipWithout } from '../support/servers.ts'
import { PLACED_STORES, type PlacedStore } from '../support/store-places.ts'
import { CLEAN_UP_WORKER } from './clean-up-worker.ts'

const EVENTS = 30

/** What the other worker says, in order. */
class Other {
  readonly lines: string[] = []
  readonly process: ChildProcess
  readonly #said = new Set<() => void>()

  constructor({ place }: PlacedStore) {
    const script = new URL('./clean-up-process.ts', import.meta.url).pathname
    this.process = spawn(process.execPath, [...process.execArgv, script, JSON.stringify(place)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    createInterface({ input: this.process.stdout ?? process.stdin }).on('line', (line) => {
      this.lines.push(line)
      for (const tell of this.#said) tell()
    })
  }

  async says(line: string): Promise<void> {
    while (!this.lines.includes(line)) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#said.add(resolve)
      await promise
      this.#said.delete(resolve)
    }
  }

  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    const exit = once(this.process, 'exit')
    this.process.kill('SIGKILL')
    await exit
  }
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 30_000
  while (!(await isSo())) {
    assert.ok(performance.now() < end, `never came: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** Published events, the other worker in the middle of its clean-up, and a worker of this process beside it. */
async function withTwo(
  kind: (typeof PLACED_STORES)[number],
  work: (two: { other: Other; begun: () => number; left: () => Promise<number> }) => Promise<void>,
): Promise<void> {
  const placed = await kind.open()
  const { store } = placed
  await store.schema.migrate({ lanes: 2 })
  const own = { ...CLEAN_UP_WORKER, name: 'own' }
  const broadcaster = new Broadcaster({ store, backends: { main: memoryBackend() }, logger: false, worker: own })
  const cleanUps: string[] = []
  const stop = onSignal('retention.started', ({ worker }) => cleanUps.push(worker))
  let other: Other | undefined
  try {
    for (let n = 0; n < EVENTS; n++) await broadcaster.events.create({ type: 'a', source: '/s' })
    while ((await broadcaster.processPendingEvents()) > 0);
    other = new Other(placed)
    await other.says('holds')
    await broadcaster.worker().start()
    await work({ other, begun: () => cleanUps.length, left: () => store.admin.count([]) })
  } finally {
    stop()
    await other?.kill()
    await broadcaster.close()
    await placed.close()
  }
}

for (const kind of PLACED_STORES) {
  describe(`clean-up on ${kind.name}`, { skip: kind.server ? skipWithout(kind.server) : false }, () => {
    test('one worker at a time, and another when it was killed', () =>
      withTwo(kind, async ({ other, begun, left }) => {
        // Longer than its lease: it extends it.
        await new Promise((resolve) => setTimeout(resolve, 3 * CLEAN_UP_WORKER.lease + 500))
        assert.deepEqual([begun(), await left()], [0, EVENTS], 'while the other has it, nothing begins here')
        await other.kill()
        await until('the events are deleted', async () => (await left()) === 0)
        assert.ok(begun() > 0)
      }))

    test('one that was frozen and comes back deletes nothing', () =>
      withTwo(kind, async ({ other, begun, left }) => {
        other.process.kill('SIGSTOP')
        await until('the events are deleted', async () => (await left()) === 0)
        assert.ok(begun() > 0)
        other.process.stdin?.write('go\n')
        other.process.kill('SIGCONT')
        await other.says('over')
        // It goes on to look, and finds nothing.
        await until('the duty goes round', () => begun() > 3)
        assert.deepEqual(
          other.lines.filter((line) => line === 'deletes'),
          [],
        )
      }))
  })
}
