import type { SubscriptionContext } from '../consumer/subscription.ts'
import { BroadcasterError } from '../errors.ts'

/** How often a lagging reader checks whether trimming overtook it, in milliseconds. */
const INTERVAL = 1_000

/**
 * Reports entries that were trimmed before the group was given them, each gap once. `countMissed`: how many entries the
 * group has missed; undefined = not known.
 */
export function gapWatch(stream: string, countMissed: () => Promise<number | undefined>) {
  let onGap: SubscriptionContext['onGap']
  /** What was missed when we looked last, and when that was. */
  let before = 0
  let looked = Number.NEGATIVE_INFINITY

  /** Never rejects: the user may lack the right to look. */
  async function look(): Promise<void> {
    if (onGap === undefined) return
    looked = performance.now()
    const missed = await countMissed().catch(() => undefined)
    if (missed === undefined) return
    const count = missed - before
    before = missed
    if (count <= 0) return
    const message = `the stream '${stream}' was trimmed before this group had read it: ${count} entries are gone; trim it with trim: 'acknowledged', or keep more`
    onGap(new BroadcasterError('MESSAGES_MISSED', message, { field: 'trim', value: count }))
  }

  return {
    look,
    begin(tell: SubscriptionContext['onGap']): void {
      onGap = tell
    },
    /** For a reader that lags and reads often. */
    async lookNowAndThen(): Promise<void> {
      if (performance.now() - looked > INTERVAL) await look()
    },
  }
}
