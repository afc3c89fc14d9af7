import { mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Backend } from '../../src/backend/backend.ts'
import { consoleBackend } from '../../src/backend/console/console.ts'
import { eachEvent } from '../../src/backend/each-event.ts'
import { fileBackend } from '../../src/backend/file/file.ts'
import { handlers } from '../../src/backend/handlers/handlers.ts'
import { memoryBackend } from '../../src/backend/memory/memory-backend.ts'
import type { OutgoingEvent } from '../../src/event/outgoing-event.ts'
import { decodeStructured } from '../../src/event/structured.ts'
import { HandlerRegistry } from '../../src/handlers/handler-registry.ts'
import { type BackendFixture, backendConformance } from '../../src/testing/backend-conformance.ts'
import { runConformance } from '../../src/testing/conformance.ts'

const runner = {
  test: (name: string, run: () => Promise<void>) => test(name, run),
  skip: (name: string, reason: string) => test(name, { skip: reason }, () => undefined),
}

const noLimit = 'it has no limit of its own'
const noServer = 'it runs in this process: there is no server to stop'
const alike = 'it writes every event alike'
const linesOf = (text: string) => text.split('\n').filter((line) => line !== '')

/** A backend that calls code in this process. */
function local(make: (receive: (event: OutgoingEvent) => Promise<void>) => Backend): () => Promise<BackendFixture> {
  return async () => {
    const received: OutgoingEvent[] = []
    const backend = make(async (event) => {
      // Another turn of the event loop, so that sends do overlap.
      await new Promise((resolve) => setImmediate(resolve))
      if (event.subject === 'refused') throw new Error('refused')
      received.push(event)
    })
    return {
      backend,
      refused: { subject: 'refused' },
      read: async () => received.map((event) => event.toEncodable()),
      close: () => backend.close(),
    }
  }
}

describe('handlers', () => {
  const make = local((receive) => handlers(new HandlerRegistry().onAll(receive)))
  runConformance(runner, backendConformance, make, { sizeLimit: noLimit, stopServer: noServer })
})

describe('eachEvent', () => {
  runConformance(
    runner,
    backendConformance,
    local((receive) => eachEvent(receive, { maxEventBytes: 100_000 })),
    { stopServer: noServer },
  )
})

describe('memory backend', () => {
  const make = async (): Promise<BackendFixture> => {
    const backend = memoryBackend({ maxEventBytes: 100_000 })
    backend.faults.fail({ subject: 'refused' }, new Error('refused'))
    return {
      backend,
      refused: { subject: 'refused' },
      read: async () => backend.events.map((event) => event.toEncodable()),
      stopServer: async () => void backend.faults.down(),
      startServer: async () => void backend.faults.up(),
      close: () => backend.close(),
    }
  }
  runConformance(runner, backendConformance, make)
})

describe('console backend', () => {
  const make = async (): Promise<BackendFixture> => {
    let text = ''
    const backend = consoleBackend({
      format: 'json',
      write: (line) => {
        text += line
      },
    })
    return {
      backend,
      read: async () => linesOf(text).map((line) => decodeStructured(line)),
      close: () => backend.close(),
    }
  }
  runConformance(runner, backendConformance, make, {
    sizeLimit: noLimit,
    stopServer: noServer,
    refused: alike,
    refusedWithinSend: alike,
  })
})

for (const fsync of [false, true]) {
  describe(`file backend, fsync ${fsync}`, () => {
    const make = async (): Promise<BackendFixture> => {
      const directory = await mkdtemp(join(tmpdir(), 'broadcaster-file-'))
      const elsewhere = `${directory}-away`
      const path = join(directory, 'events.jsonl')
      const backend = fileBackend({ path, fsync })
      return {
        backend,
        async read() {
          const text = await readFile(path, 'utf8').catch(() => '')
          return linesOf(text).map((line) => decodeStructured(line))
        },
        stopServer: () => rename(directory, elsewhere),
        startServer: () => rename(elsewhere, directory),
        async close() {
          await backend.close()
          await rm(directory, { recursive: true })
        },
      }
    }
    runConformance(runner, backendConformance, make, { sizeLimit: noLimit, refused: alike, refusedWithinSend: alike })
  })
}
