import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { Broadcaster } from '../../src/broadcaster.ts'
import { memoryBackend } from '../../src/testing.ts'
import { KafkaProcess } from '../backend/kafka-process.ts'
import { createTopic, readTopic, servesProducers, topicName } from '../backend/kafka-topic.ts'
import { skipWithoutJars } from '../support/jars.ts'
import { requireServer } from '../support/servers.ts'
import { PLACED_STORES } from '../support/store-places.ts'
import type { FrozenWorkerTask } from './frozen-worker-process.ts'
import { type Delivery, judgeDeliveries } from './judge-deliveries.ts'

const KEYS = 40
const LEASE = 2_000
const FULL = process.env['BROADCASTER_FULL'] === '1'
const ROUNDS = FULL ? 20 : 3
/** How long a round may take, in milliseconds. */
const PATIENCE = 60_000

/**
 * A worker is frozen (SIGSTOP) in the middle of a send until another one has taken over its lanes and delivered all that there
 * is; then it goes on (SIGCONT), with the bytes of that send still to be written. What comes to Kafka from that moment on and
 * was there before is a late send: it stands behind later events of its key.
 */
describe('a worker frozen in the middle of a send, past its lease', { skip: skipWithoutJars('kafka') }, () => {
  let server: KafkaProcess
  before(async () => {
    server = await KafkaProcess.start()
    await servesProducers(server.address)
  })
  after(() => server?.remove())

  for (const fenced of [true, false]) {
    const name = fenced
      ? 'kafka({ fenced }): nothing is out of order'
      : 'the control, without fenced: late sends arrive'
    test(name, { timeout: 10 * 60_000 }, async (t) => {
      const store = PLACED_STORES.find((each) => each.name === 'postgres')
      if (!requireServer(t, 'postgres') || !store) return t.skip('no database')
      const topic = topicName()
      await createTopic(server.address, topic)
      const placed = await store.open()
      const broadcaster = new Broadcaster({ store: placed.store, backends: { default: memoryBackend() } })
      const workers: ChildProcess[] = []
      try {
        await broadcaster.store.schema.migrate()
        const task = { place: placed.place, server: server.address, topic, fenced, lease: LEASE }
        for (const worker of ['one', 'other']) workers.push(await startWorker({ ...task, name: worker }))
        const publisher = new Publisher(broadcaster)
        let late = 0
        let froze = 0
        for (let round = 0; round < ROUNDS; round++) {
          const [frozen] = round % 2 === 0 ? workers : workers.toReversed()
          await publisher.publish(200)
          await publisher.drained()
          frozen?.send('freeze')
          for (const end = Date.now() + PATIENCE; !isStopped(frozen); ) {
            if (Date.now() > end) assert.fail('the worker did not freeze: it had nothing to send')
            await publisher.publish(40)
          }
          froze++
          await publisher.publish(200)
          await publisher.drained()
          const before = await read(server.address, topic)
          frozen?.kill('SIGCONT')
          // What it had in its hands is written before it takes lanes again, and sends some of these.
          await publisher.publish(200)
          await publisher.drained()
          await ownsLanes(placed, workers.indexOf(frozen as ChildProcess) === 0 ? 'one' : 'other')
          await publisher.publish(200)
          await publisher.drained()
          const seen = new Set(before.map(({ key, count }) => `${key} ${count}`))
          const ends = Map.groupBy(before, ({ partition }) => partition)
          const since = (await read(server.address, topic)).filter(
            ({ partition, offset }) => offset > (ends.get(partition)?.at(-1)?.offset ?? -1n),
          )
          late += since.filter(({ key, count }) => seen.has(`${key} ${count}`)).length
        }
        const judged = judgeDeliveries(await read(server.address, topic), publisher.published, KEYS)
        t.diagnostic(
          `frozen ${froze} times in ${publisher.published} events: ${late} sent late, behind later ones of their key; ` +
            `${judged.lost} lost, ${judged.disordered} first deliveries out of order, ${judged.duplicates} duplicates`,
        )
        assert.deepEqual([judged.lost, judged.disordered], [0, 0])
        if (fenced) assert.equal(late, 0)
        else assert.ok(late > 0, 'the drill shows nothing: no late send came through')
      } finally {
        await Promise.all(workers.map(stopWorker))
        await broadcaster.close()
        await placed.close()
      }
    })
  }
})

type Placed = Awaited<ReturnType<(typeof PLACED_STORES)[number]['open']>>

async function startWorker(task: FrozenWorkerTask): Promise<ChildProcess> {
  const child = fork(new URL('frozen-worker-process.ts', import.meta.url), [JSON.stringify(task)], {
    execArgv: process.execArgv.filter((argument) => !argument.startsWith('--test')),
  })
  await once(child, 'message')
  return child
}

async function stopWorker(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  child.kill('SIGCONT')
  const exit = once(child, 'exit')
  child.send('stop')
  await exit
}

/** As the kernel says. */
function isStopped(child: ChildProcess | undefined): boolean {
  return /^State:\s+T/m.test(readFileSync(`/proc/${child?.pid}/status`, 'utf8'))
}

async function ownsLanes({ look }: Placed, owner: string): Promise<void> {
  for (const end = Date.now() + PATIENCE; ; await pause(100)) {
    const rows = await look(
      `SELECT 1 FROM outbox_lanes l JOIN outbox_workers w ON w.id = l.owner WHERE w.name = '${owner}'`,
    )
    if (rows.length > 0) return
    if (Date.now() > end) assert.fail(`the worker ${owner} got no lane again`)
  }
}

interface Read extends Delivery {
  readonly partition: number
  readonly offset: bigint
}

/** In the order of each partition, in which each key has its place. */
async function read(server: string, topic: string): Promise<readonly Read[]> {
  return (await readTopic(server, topic)).map(({ partition, offset, value }) => {
    const event = JSON.parse(value.toString()) as { partitionkey: string; data: { count: number } }
    return { key: event.partitionkey, count: event.data.count, partition, offset }
  })
}

class Publisher {
  readonly #broadcaster: Broadcaster
  readonly #counts = new Map<string, number>()
  published = 0

  constructor(broadcaster: Broadcaster) {
    this.#broadcaster = broadcaster
  }

  async publish(count: number): Promise<void> {
    for (let done = 0; done < count; done += 20) {
      const events = Array.from({ length: 20 }, () => {
        const partitionKey = `key-${this.published++ % KEYS}`
        const next = (this.#counts.get(partitionKey) ?? 0) + 1
        this.#counts.set(partitionKey, next)
        return { type: 'fault.tested', source: '/faults', data: { count: next }, partitionKey }
      })
      await this.#broadcaster.transaction((tx) => this.#broadcaster.publishMany(tx, events))
      await pause(10)
    }
  }

  /** Until all is published. */
  async drained(): Promise<void> {
    for (const end = Date.now() + PATIENCE; ; await pause(50)) {
      const left = await this.#broadcaster.events.filter({ status: ['pending', 'processing'] }).count()
      if (left === 0) return
      if (Date.now() > end) assert.fail(`${left} events were not delivered`)
    }
  }
}

function pause(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration))
}
