import type { JSX } from 'preact'
import { now } from '../api/clock.ts'
import { live, nextTry, openLive, statusAt } from '../api/live.ts'
import { Call } from '../parts/call.tsx'
import { durationText } from '../words/duration.ts'

/** The numbers of a feed that broke off a moment ago are worth no alarm; from here on they are old. */
const OLD = 5_000

/** Above the content once the feed is lost: how old the numbers are, and when it is tried again. */
export function LiveLost(): JSX.Element | null {
  // Read so that ages go on by the second.
  void now.value
  const age = performance.now() - statusAt.value
  if (live.value !== 'lost' || statusAt.value === 0 || age < OLD) return null
  const left = Math.max(0, Math.ceil((nextTry.value - performance.now()) / 1_000))
  return (
    <Call
      tone="warn"
      role="status"
      title="The live feed broke off"
      buttons={
        <button type="button" class="btn btn--small" onClick={openLive}>
          Try now
        </button>
      }
    >
      The numbers are {durationText(Math.floor(age / 1_000) * 1_000)} old.{' '}
      {left === 0 ? 'Trying again now' : `Trying again in ${left} s`}; what you see still works.
    </Call>
  )
}
