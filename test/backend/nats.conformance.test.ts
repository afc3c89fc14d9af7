import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { connect } from '@nats-io/transport-node'
import { type NatsJetStreamOptions, natsJetStream } from '../../src/nats/nats.ts'
import { type BackendFixture, backendConformance } from '../../src/testing/backend-conformance.ts'
import { runConformance } from '../../src/testing/conformance.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { NatsProcess, skipWithoutNatsServer } from './nats-process.ts'
import { readStream, withManager } from './nats-stream.ts'

const runner = {
  test: (name: string, run: () => Promise<void>) => test(name, run),
  skip: (name: string, reason: string) => test(name, { skip: reason }, () => undefined),
}
const showsDuplicates = 'the stream drops them: nats.errors.test.ts shows it'
const prefix = `broadcaster_conformance_${randomBytes(4).toString('hex')}`
let made = 0

/** A stream of its own on the server, with one subject that is no stream's. */
function backendOn(url: string, options: Partial<NatsJetStreamOptions>) {
  const name = `${prefix}_${++made}`
  const backend = natsJetStream({
    ...(options.client ? {} : { url }),
    stream: { name, create: true, subjects: [`${name}.taken.>`] },
    subject: (event) =>
      `${name}.${event.subject === 'refused' ? 'refused' : `taken.${event.partitionKey ? 'a' : 'b'}`}`,
    ...options,
  })
  return { name, backend }
}

describe('natsJetStream, a server of its own, structured mode', { skip: skipWithoutNatsServer() }, () => {
  let server: NatsProcess
  before(async () => {
    server = await NatsProcess.start()
  })
  after(() => server?.remove())

  const fixture = async (): Promise<BackendFixture> => {
    const { name, backend } = backendOn(server.url, {})
    await backend.connect?.(new AbortController().signal)
    return {
      backend,
      refused: { subject: 'refused' },
      read: () => readStream(server.url, name),
      stopServer: () => server.stop(),
      startServer: () => server.start(),
      close: () => backend.close(),
    }
  }
  runConformance(runner, backendConformance, fixture, { showsDuplicates })
})

describe('natsJetStream, an injected connection, binary mode', { skip: skipWithout('nats') }, () => {
  const fixture = async (): Promise<BackendFixture> => {
    const url = servers.nats()?.url ?? ''
    const client = await connect({ servers: url, reconnect: false })
    const { name, backend } = backendOn(url, { client, mode: 'binary' })
    await backend.connect?.(new AbortController().signal)
    return {
      backend,
      refused: { subject: 'refused' },
      read: () => readStream(url, name),
      async close() {
        await backend.close()
        // Still open: it is ours.
        await client.flush()
        await client.close()
        await withManager(url, (manager) => manager.streams.delete(name))
      },
    }
  }
  runConformance(runner, backendConformance, fixture, {
    showsDuplicates,
    stopServer: 'when an injected connection connects again is up to its owner',
  })
})
