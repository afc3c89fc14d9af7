import { Broadcaster } from '../../src/broadcaster.ts'
import { memoryBackend } from '../../src/memory.ts'
import { ownStore } from './own-store.ts'

/*
 * A script that does all that one does with an outbox, and forgets to close it. Its argument is a `StorePlace` as JSON; it
 * prints when it is through.
 */

const store = ownStore(JSON.parse(process.argv[2] ?? ''))
const broadcaster = new Broadcaster({ store, backends: { only: memoryBackend() }, logger: false })
await broadcaster.transaction((tx) => broadcaster.publish(tx, { type: 'order.created', source: '/orders' }))
await Promise.all([broadcaster.processPendingEvents(), broadcaster.status(), broadcaster.events.count()])
console.log('through')
