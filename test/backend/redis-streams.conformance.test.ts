import { after, before, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import type { Backend } from '../../src/backend/backend.ts'
import { decodeStructured } from '../../src/event/structured.ts'
import { type RedisStreamsOptions, redisStreams } from '../../src/redis-streams/redis-streams.ts'
import { type BackendFixture, backendConformance } from '../../src/testing/backend-conformance.ts'
import { runConformance } from '../../src/testing/conformance.ts'
import { RedisProcess, skipWithoutRedisServer } from './redis-process.ts'

const skip = skipWithoutRedisServer()
const runner = {
  test: (name: string, run: () => Promise<void>) => test(name, run),
  skip: (name: string, reason: string) => test(name, { skip: reason }, () => undefined),
}

let server: RedisProcess
let made = 0
before(async () => {
  if (skip === false) server = await RedisProcess.start()
})
after(() => server?.remove())

const connectTo = (url: string) => createClient({ url })

/** Looks at Redis with a client of its own. */
async function admin<T>(work: (client: ReturnType<typeof connectTo>) => Promise<T>): Promise<T> {
  const client = connectTo(server.url)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

/** A client that the backend does not own, and how to close it. */
interface Injected {
  readonly client: NonNullable<RedisStreamsOptions['client']>
  close(): Promise<void>
}

async function fixture(inject?: () => Promise<Injected>): Promise<BackendFixture> {
  const stream = `conformance:${++made}`
  await admin((client) => client.set(`${stream}:not`, 'a string'))
  const injected = await inject?.()
  const backend: Backend = redisStreams({
    ...(injected ? { client: injected.client } : { url: server.url }),
    // 10,000 events must stay to be counted.
    trim: { maxLength: 100_000 },
    stream: (event) => (event.subject === 'refused' ? `${stream}:not` : stream),
  })
  return {
    backend,
    refused: { subject: 'refused' },
    async read() {
      const entries = await admin((client) => client.xRange(stream, '-', '+'))
      return (entries ?? []).map(({ message }) => decodeStructured(String(message['cloud_event'])))
    },
    stopServer: () => server.stop(),
    startServer: () => server.start(),
    async close() {
      await backend.close()
      await injected?.close()
    },
  }
}

describe('redisStreams, its own connection', { skip }, () => {
  runConformance(runner, backendConformance, () => fixture())
})

describe('redisStreams, node-redis injected', { skip }, () => {
  const inject = async (): Promise<Injected> => {
    const client = createClient({ url: server.url, disableOfflineQueue: true })
    client.on('error', () => undefined)
    await client.connect()
    return { client, close: async () => client.destroy() }
  }
  runConformance(runner, backendConformance, () => fixture(inject), {
    stopServer: 'when an injected client connects again is up to its owner',
  })
})

describe('redisStreams, ioredis injected', { skip }, () => {
  const inject = async (): Promise<Injected> => {
    const client = new Redis(server.url, {
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      lazyConnect: true,
    })
    client.on('error', () => undefined)
    await client.connect()
    return { client, close: async () => client.disconnect() }
  }
  runConformance(runner, backendConformance, () => fixture(inject), {
    stopServer: 'when an injected client connects again is up to its owner',
  })
})
