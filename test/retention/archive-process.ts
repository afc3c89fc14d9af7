/** Archives and deletes what is published until nothing is left, or until it is killed. `dies`: by itself, between the two. */
import { Archive } from '../../src/retention/archive.ts'
import { CleanUp } from '../../src/retention/clean-up.ts'
import { perStatus, ruleOf } from '../../src/retention/rules.ts'
import { openStore, type StorePlace } from '../support/store-places.ts'

export interface ArchiveTask {
  readonly place: StorePlace
  readonly folder: string
  readonly dies: boolean
}

const { place, folder, dies } = JSON.parse(process.argv[2] ?? '{}') as ArchiveTask
const { store, close } = openStore(place)
const retention = dies
  ? {
      ...store.retention,
      remove: async () => process.kill(process.pid, 'SIGKILL') && Promise.withResolvers<number>().promise,
    }
  : store.retention
const rule = ruleOf(
  () => true,
  { ...perStatus(() => null), published: 0 },
  perStatus(() => null),
)
const cleanUp = new CleanUp(retention, [rule], new Archive(store.admin, folder), 25)
await store.admin.count([])
process.stdout.write('begins\n')
await cleanUp.run({ onRemoved: () => undefined, rest: async () => true, whole: true })
await close()
