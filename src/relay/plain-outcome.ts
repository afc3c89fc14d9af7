import { boundedDelay } from '../foundation/retry-policy.ts'
import type { Outcome } from '../store/relay-store.ts'

/** The most of an error's text that stays in the plainest form, in characters. */
const PLAIN_ERROR_LENGTH = 500

/**
 * The same outcome in plainer and plainer words, for a store that refuses it: first with everything written in ASCII
 * (a connection or database of another character set cannot hold an emoji), then status and count alone.
 */
export function plainerForms(outcome: Outcome): readonly Outcome[] {
  switch (outcome.kind) {
    case 'published': {
      const { progress, ...plainest } = outcome
      return progress === undefined ? [] : [{ ...plainest, progress: asciiJson(progress) }, plainest]
    }
    case 'retry':
    case 'failed': {
      const { progress, ...rest } = outcome
      const counted = { ...rest, retryCount: wholeCount(rest.retryCount), error: ascii(rest.error) }
      const plainest = counted.kind === 'retry' ? { ...counted, delay: boundedDelay(counted.delay) } : counted
      return progress === undefined ? [plainest] : [{ ...plainest, progress: asciiJson(progress) }, plainest]
    }
    default:
      return []
  }
}

/** Printable ASCII; anything else is a question mark. */
export function ascii(text: string): string {
  return text.replace(/[^\x20-\x7e]/gu, '?').slice(0, PLAIN_ERROR_LENGTH)
}

/** JSON says the same in ASCII. */
function asciiJson(json: string): string {
  return json.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function wholeCount(count: number): number {
  return Number.isFinite(count) ? Math.max(0, Math.trunc(count)) : 1
}
