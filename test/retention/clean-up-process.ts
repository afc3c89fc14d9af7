/**
 * A worker that only cleans up. Its archive says `holds` and waits until a line comes in, and then `over`; each statement that deletes says
 * `deletes`.
 */
import { once } from 'node:events'
import { Broadcaster } from 'ts-broadcaster'
import { memoryBackend } from 'ts-broadcaster/memory'
import { openStore, type StorePlace } from '../support/store-places.ts'
import { CLEAN_UP_WORKER } from './clean-up-worker.ts'

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const place = JSON.parse(process.argv[2] ?? '{}') as StorePlace
const { store: opened } = openStore(place)
const { remove } = opened.retention
const store = {
  ...opened,
  retention: {
    ...opened.retention,
    remove: (events: Parameters<typeof remove>[0]) => {
      say('deletes')
      return remove(events)
    },
  },
}
const archive = async (): Promise<void> => {
  say('holds')
  await once(process.stdin, 'data')
  say('over')
}
const worker = { ...CLEAN_UP_WORKER, retention: { ...CLEAN_UP_WORKER.retention, archive } }
const broadcaster = new Broadcaster({ store, backends: { main: memoryBackend() }, logger: false, worker })
await broadcaster.worker().start()
say('started')
