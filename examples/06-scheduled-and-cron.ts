/**
 * Events for later, and delivery without a standing worker: `processPendingEvents` delivers what is due and ends,
 * for cron jobs and serverless functions.
 *
 *     node 06-scheduled-and-cron.ts
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Broadcaster, eachEvent } from 'ts-broadcaster'
import { sqlite } from 'ts-broadcaster/sqlite'

const broadcaster = new Broadcaster({
  store: sqlite({ path: 'scheduled.db' }),
  backends: { mail: eachEvent((event) => console.log(`mail: ${event.subject}`)) },
})
await broadcaster.store.schema.migrate()

const tomorrow = new Date(Date.now() + 24 * 60 * 60 * 1_000)
const reminder = await broadcaster.transaction(async (tx) => {
  const mail = { type: 'mail.due', source: '/mail' }
  await broadcaster.publish(tx, { ...mail, subject: 'at once' })
  return broadcaster.publish(tx, { ...mail, subject: 'tomorrow' }, { scheduledAt: tomorrow })
})

console.log(`pass 1: ${await broadcaster.processPendingEvents()}`)
await broadcaster.events.create({ type: 'mail.due', source: '/mail', subject: 'soon' }, { delay: 1_000 })
await sleep(1_100)
console.log(`pass 2: ${await broadcaster.processPendingEvents()}`)

// An operator changes the plan.
await broadcaster.events.reschedule(reminder.id, new Date())
console.log(`pass 3: ${await broadcaster.processPendingEvents()}`)
console.log(`pass 4: ${await broadcaster.processPendingEvents()}`)
await broadcaster.close()
