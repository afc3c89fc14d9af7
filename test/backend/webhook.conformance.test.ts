import { describe, test } from 'node:test'
import { decodeHttp } from '../../src/event/http.ts'
import { type BackendFixture, backendConformance } from '../../src/testing/backend-conformance.ts'
import { runConformance } from '../../src/testing/conformance.ts'
import { webhook } from '../../src/webhook/webhook.ts'
import { Receiver } from './receiver.ts'

const runner = {
  test: (name: string, run: () => Promise<void>) => test(name, run),
  skip: (name: string, reason: string) => test(name, { skip: reason }, () => undefined),
}

async function fixture(mode: 'structured' | 'binary' | 'batch'): Promise<BackendFixture> {
  const receiver = await Receiver.start()
  const isRefused = (request: { headers: object; body: Buffer }): boolean =>
    decodeHttp(request.headers as Record<string, string>, request.body).some(
      ({ attributes }) => attributes['subject'] === 'refused',
    )
  receiver.reply = (request, response) => {
    response.writeHead(request.method === 'POST' && isRefused(request) ? 500 : 204).end()
  }
  const backend = webhook({ url: receiver.url, mode, timeout: 10_000 })
  return {
    backend,
    refused: { subject: 'refused' },
    read: async () =>
      receiver.requests
        .filter((request) => !isRefused(request))
        .flatMap(({ headers, body }) => decodeHttp(headers as Record<string, string>, body)),
    stopServer: () => receiver.stop(),
    startServer: () => receiver.start(),
    async close() {
      await backend.close()
      await receiver.stop()
    },
  }
}

describe('webhook, structured', () => runConformance(runner, backendConformance, () => fixture('structured')))
describe('webhook, binary', () => runConformance(runner, backendConformance, () => fixture('binary')))
describe('webhook, batch', () => runConformance(runner, backendConformance, () => fixture('batch')))
