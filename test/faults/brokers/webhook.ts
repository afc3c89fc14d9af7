import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { webhook } from '../../../src/webhook/webhook.ts'
import { toNodeListener, webhookReceiver } from '../../../src/webhook/webhook-receiver.ts'
import { freePort } from '../../backend/redis-process.ts'
import type { FaultyBroker } from './broker.ts'
import { fileSubscription } from './webhook-file.ts'

/** Known to both ends. */
const KEYS = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

export const broker: FaultyBroker = {
  title: 'Webhook',
  durability: 'an endpoint that answers once its file has the event',
  skip: () => false,
  async start(purpose) {
    const directory = mkdtempSync(join(tmpdir(), 'broadcaster-webhook-'))
    const address = { port: String(await freePort()), file: join(directory, 'received'), keys: KEYS }
    let child: ChildProcess | undefined
    const restart = async (): Promise<void> => {
      child = fork(new URL('./webhook-endpoint.ts', import.meta.url), [JSON.stringify(address)])
      await once(child, 'message')
    }
    const kill = async (): Promise<void> => {
      if (!child || child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    }
    if (purpose === 'observe') await restart()
    return {
      address,
      kill,
      restart,
      async remove() {
        await kill()
        rmSync(directory, { recursive: true, force: true })
      },
    }
  },
  backend: ({ port = '' }) =>
    webhook({ url: `http://127.0.0.1:${port}/events`, keys: KEYS, allowPrivateNetworks: true, timeout: 5_000 }),
  subscription: ({ file = '' }) => fileSubscription(file),
  async receive({ port = '' }, handling) {
    const listener = toNodeListener(webhookReceiver({ ...handling, keys: KEYS }))
    const server = createServer(listener).listen(Number(port), '127.0.0.1')
    await once(server, 'listening')
    return async () => {
      server.close()
      server.closeAllConnections()
    }
  },
}
