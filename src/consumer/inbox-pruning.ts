import { Pause } from '../foundation/pause.ts'
import type { Inbox } from '../inbox/inbox.ts'

/** Time between two clean-ups, in milliseconds; jittered, so that several consumers do not meet. */
const INTERVAL = 60_000
/** Entries deleted in one statement. */
const BATCH = 1_000

export type InboxPruning = ReturnType<typeof inboxPruning>

/** Deletes old inbox entries, in bounded batches, until `stop`. `age` in milliseconds. */
export function inboxPruning(inbox: Pick<Inbox, 'prune'>, age: number, onError: (error: unknown) => void) {
  const pause = new Pause()
  let stopping = false

  /** Never rejects. */
  async function run(): Promise<void> {
    while (!stopping) {
      await pause.sleep(INTERVAL * (0.5 + Math.random()))
      try {
        let deleted = BATCH
        while (deleted >= BATCH && !stopping) {
          deleted = await inbox.prune({ age, limit: BATCH })
        }
      } catch (error) {
        onError(error)
      }
    }
  }

  function stop(): void {
    stopping = true
    pause.end()
  }

  return { run, stop }
}
