/** One relay in a process of its own. Says `ready`, starts on `go`, tells how far it is, and reports on `stop`. */
import { ALL_ARMS } from './contenders.ts'
import type { PeerReport, PeerTask, Progress } from './task.ts'

/** Between two messages, in ms. */
const OFTEN = 5

const task = JSON.parse(process.argv[2] ?? '{}') as PeerTask
let [delivered, at, told] = [0, 0, 0]
const relay = await ALL_ARMS[task.arm]?.contender.open(task, (count) => {
  delivered += count
  at = performance.timeOrigin + performance.now()
})
if (relay === undefined) throw new Error(`there is no arm '${task.arm}'`)
const message = (): Promise<unknown> => new Promise((resolve) => process.once('message', resolve))

process.send?.('ready')
await message()
const cpu = process.cpuUsage()
const telling = setInterval(() => {
  if (told !== delivered) process.send?.({ delivered: (told = delivered), at } satisfies Progress)
}, OFTEN)
const stopping = message()
await relay.start()
await stopping
clearInterval(telling)
const { user, system } = process.cpuUsage(cpu)
process.send?.({
  cpuSeconds: (user + system) / 1e6,
  // Kilobytes, by getrusage(2).
  peakMemory: process.resourceUsage().maxRSS * 1_024,
} satisfies PeerReport)
await relay.close()
process.disconnect()
