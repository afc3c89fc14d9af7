import { open } from 'node:fs/promises'
import type { Delivery, Subscription } from '../../../src/consumer/subscription.ts'

/** Reads what an endpoint writes to a file: a line of JSON for each event. What was read is never delivered again. */
export function fileSubscription(file: string): Subscription {
  let at = 0
  let rest = ''
  return {
    description: `the file ${file}`,
    async open() {},
    async receive(_limit, signal) {
      for (;;) {
        const lines = await next()
        if (lines.length > 0 || signal.aborted) return lines.map(deliveryOf)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    async close() {},
  }

  async function next(): Promise<readonly string[]> {
    const handle = await open(file, 'a+')
    try {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(1024 * 1024), 0, 1024 * 1024, at)
      at += bytesRead
      const lines = (rest + buffer.toString('utf8', 0, bytesRead)).split('\n')
      rest = lines.pop() ?? ''
      // A killed process may leave half a line, of which nobody was told that it was received.
      return lines.filter((line) => line.startsWith('{') && line.endsWith('}'))
    } finally {
      await handle.close()
    }
  }
}

function deliveryOf(line: string): Delivery {
  const { id, partitionKey, data } = JSON.parse(line) as Readonly<Record<string, unknown>>
  return {
    event: {
      attributes: { id: String(id), partitionkey: String(partitionKey) },
      dataJson: JSON.stringify(data),
      dataBinary: null,
    },
    key: String(partitionKey),
    count: 1,
    position: 'a line',
    async acknowledge() {},
    async release() {},
    async deadLetter() {},
  }
}
