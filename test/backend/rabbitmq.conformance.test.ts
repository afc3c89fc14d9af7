import { describe, test } from 'node:test'
import { connect } from 'amqplib'
import { type RabbitMqOptions, rabbitmq } from '../../src/rabbitmq/rabbitmq.ts'
import { type BackendFixture, backendConformance } from '../../src/testing/backend-conformance.ts'
import { runConformance } from '../../src/testing/conformance.ts'
import { servers, skipWithout } from '../support/servers.ts'
import { RabbitMqPlace } from './rabbitmq-place.ts'
import { StoppableProxy } from './stoppable-proxy.ts'

const skip = skipWithout('rabbitmq')
const runner = {
  test: (name: string, run: () => Promise<void>) => test(name, run),
  skip: (name: string, reason: string) => test(name, { skip: reason }, () => undefined),
}

async function fixture(mode: 'structured' | 'binary', injected = false): Promise<BackendFixture> {
  const url = new URL(servers.rabbitmq()?.url ?? '')
  const place = await RabbitMqPlace.make(url.href)
  // The server is shared: what stops and starts is the way to it.
  const proxy = await StoppableProxy.to(Number(url.port || 5672))
  url.port = String(proxy.port)
  const model = injected ? await connect(url.href, { noDelay: true }) : undefined
  const to: RabbitMqOptions = model ? { channel: await model.createConfirmChannel() } : { url: url.href }
  const backend = rabbitmq({
    ...to,
    exchange: place.name,
    routingKey: (event) => (event.subject === 'refused' ? 'nowhere' : 'events'),
    mode,
  })
  return {
    backend,
    refused: { subject: 'refused' },
    read: () => place.read(),
    stopServer: () => proxy.stop(),
    startServer: () => proxy.start(),
    async close() {
      await backend.close()
      await model?.close()
      await proxy.stop()
      await place.remove()
    },
  }
}

for (const mode of ['structured', 'binary'] as const) {
  describe(`rabbitmq, ${mode}, its own connection`, { skip }, () => {
    runConformance(runner, backendConformance, () => fixture(mode))
  })
}

describe('rabbitmq, a channel injected', { skip }, () => {
  runConformance(runner, backendConformance, () => fixture('structured', true), {
    stopServer: 'opening a channel again is up to its owner',
  })
})
