/** An endpoint in a process of its own, to be killed: writes each event to a file before it answers. */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { createServer } from 'node:http'
import { toNodeListener, webhookReceiver } from '../../../src/webhook/webhook-receiver.ts'
import type { Address } from './broker.ts'

const { port, file = '', keys = '' } = JSON.parse(process.argv[2] ?? '{}') as Address
const received = openSync(file, 'a')
// What the one before was killed in the middle of stays a line by itself.
writeSync(received, '\n')
const receive = webhookReceiver({
  name: 'observer',
  keys,
  inbox: false,
  handlers: {
    '*': ({ id, partitionKey, data }) => {
      writeSync(received, `${JSON.stringify({ id, partitionKey, data })}\n`)
    },
  },
})
createServer(toNodeListener(receive)).listen(Number(port), '127.0.0.1', () => process.send?.('listening'))
process.once('exit', () => {
  fsyncSync(received)
  closeSync(received)
})
