import type { AdminMove, AdminStore, Condition, Hold, MoveReport } from '../store/admin-store.ts'

/**
 * The outcome of an operator's move, by the ids of the events. An id in no list: no such event, its status forbids it, or it does
 * not match the filter any more.
 */
export interface MoveResult {
  /** Done: this is the last word, and no attempt that was in flight changes it. */
  readonly moved: readonly string[]
  /** Too late: these were sent before the move could be made. */
  readonly tooLate: readonly string[]
  /** Not known yet: a worker has them in hand and did not answer in time. Nothing was changed for them; ask again. */
  readonly unknown: readonly string[]
}

/** What was done before an error. */
export class MoveInterruptedError extends Error {
  readonly moved: readonly string[]

  constructor(cause: unknown, moved: readonly string[]) {
    super('a move was made in part', { cause })
    this.moved = moved
  }
}

/** How events are moved while workers send. */
export interface PeaceOptions {
  /** How long it waits for workers, in milliseconds. Default: `PATIENCE`. */
  readonly patience?: number | undefined
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined
  /** What an event must meet when it is moved. Default: nothing. */
  readonly where?: readonly Condition[] | undefined
  /** The entry of the audit under which is kept what the events were. Default: none. */
  readonly entry?: number | undefined
  /** Called when the wait is over and some are busy still, with the last holds, while they stand. */
  readonly giveUp?: (holds: readonly Hold[]) => Promise<MoveReport>
}

/** How long an operator waits for what is in hand, in milliseconds: a lease, and a second. */
export const PATIENCE = 11_000
/** Between two looks whether the owners have answered, in milliseconds. */
const FIRST_LOOK = 5
const LONGEST_LOOK = 50
/** A hold that another operator ended with their own is asked for again after this long, in milliseconds. */
const HOLD_AGAIN = 1_000
/** A hold outlasts the wait by this, in milliseconds: for what is done when it is over. */
const GRACE = 250

/**
 * Moves events while workers send: what a live worker may have in hand waits until its lane is quiet. The owner of the
 * lane finishes what it is sending, records it, says so, and reads on when the move is made. Throws `MoveInterruptedError` for an
 * error after some were moved.
 */
export async function moveInPeace(
  admin: Pick<AdminStore, 'hold' | 'move' | 'lift'>,
  ids: readonly string[],
  move: AdminMove,
  { patience = PATIENCE, signal, where, entry, giveUp }: PeaceOptions = {},
): Promise<Pick<MoveResult, 'moved' | 'unknown'>> {
  const first = await admin.move(ids, move, [], { where, entry })
  if (first.busy.length === 0) return { moved: first.moved, unknown: [] }
  // What was unsettled when it was asked for, and is published when the lane is quiet, was sent: it stays.
  const late: AdminMove = move.kind === 'delete' ? { kind: 'delete', published: false } : move
  const moved = [...first.moved]
  let busy = first.busy
  const end = performance.now() + patience
  const all: Hold[] = []
  try {
    let holds = await admin.hold(busy, patience + GRACE)
    all.push(...holds)
    let heldAt = performance.now()
    for (
      let pause = FIRST_LOOK;
      busy.length > 0 && performance.now() < end && signal?.aborted !== true;
      pause = Math.min(LONGEST_LOOK, pause * 2)
    ) {
      await new Promise((resolve) => setTimeout(resolve, pause))
      if (performance.now() - heldAt > HOLD_AGAIN) {
        holds = await admin.hold(busy, Math.max(1, end - performance.now()) + GRACE)
        all.push(...holds)
        heldAt = performance.now()
        continue
      }
      const report = await admin.move(busy, late, holds, { where, entry })
      moved.push(...report.moved)
      busy = report.busy
    }
    if (busy.length > 0 && giveUp) moved.push(...(await giveUp(holds)).moved)
  } catch (error) {
    throw moved.length === 0 ? error : new MoveInterruptedError(error, moved)
  } finally {
    // Also where nothing is left to do: a lane whose events were settled before its owner was quiet is held still. A hold that
    // cannot be lifted ends by itself, and changes nothing about what was moved.
    await admin.lift(all).catch(() => undefined)
  }
  return { moved, unknown: busy }
}
