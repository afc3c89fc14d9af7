import { settles } from '../foundation/waiting.ts'
import type { Background } from './background.ts'
import type { Cycle } from './cycle.ts'
import type { FlowWriter } from './flow-writer.ts'
import type { LaneKeeper } from './lane-keeper.ts'
import type { Loops } from './loops.ts'
import type { Retention } from './retention.ts'
import type { OutageLog } from './told-outages.ts'
import type { Unserved } from './unserved.ts'
import type { Waker } from './waker.ts'

/** For what is written down at the end, in ms. */
const LAST_WORDS = 1_000

/** One engagement of a worker: what runs between a start and a stop. */
export interface Shift {
  readonly keeper: LaneKeeper
  readonly cycles: readonly Cycle[]
  readonly waker: Waker
  readonly running: Promise<unknown>
  readonly retention: Retention | undefined
  readonly unserved: Unserved
  readonly background: Background | undefined
  readonly loops: Loops
  readonly flow: FlowWriter
  readonly outages: OutageLog
}

/** Ends it: what is in flight is finished, and the lanes are given back. `lease` in milliseconds. */
export async function endShift(
  { keeper, cycles, waker, running, retention, unserved, background, flow, outages }: Shift,
  lease: number,
): Promise<void> {
  keeper.stop()
  retention?.stop()
  unserved.stop()
  background?.stop()
  flow.stop()
  for (const cycle of cycles) cycle.stop()
  // The heartbeat goes on while the last sends finish, so that no other worker takes their lanes meanwhile.
  const beat = setInterval(() => void keeper.renew().catch(() => undefined), lease / 4)
  try {
    await running
  } finally {
    clearInterval(beat)
  }
  await waker.close()
  await keeper.leave()
  await lastWords(flow, outages)
}

/** What was done is written down, unless the database does not answer: nothing depends on it. */
export async function lastWords(flow: FlowWriter, outages: OutageLog): Promise<void> {
  await settles(Promise.all([flow.write(), outages.idle()]), { timeout: LAST_WORDS })
}
