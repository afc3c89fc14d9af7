import type { Background } from './background.ts'
import type { Cycle } from './cycle.ts'
import type { LaneKeeper } from './lane-keeper.ts'
import type { Loops } from './loops.ts'
import type { Retention } from './retention.ts'
import type { Unserved } from './unserved.ts'
import type { Waker } from './waker.ts'

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
}

/** Ends it: what is in flight is finished, and the lanes are given back. `lease` in milliseconds. */
export async function endShift(
  { keeper, cycles, waker, running, retention, unserved, background }: Shift,
  lease: number,
): Promise<void> {
  keeper.stop()
  retention?.stop()
  unserved.stop()
  background?.stop()
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
}
