import type { Broadcaster } from '../broadcaster.ts'
import type { BreakerRow } from '../store/coordination-store.ts'
import { formatDuration } from './format.ts'

/** A breaker that is open: of a whole backend, or of a place behind it. */
export interface OpenBreaker {
  readonly backend: string
  /** The place; empty = the whole backend. */
  readonly destination: string
  /** Milliseconds since it opened; null = not known. */
  readonly since: number | null
  /** Milliseconds until the next probe may start (<= 0: now). */
  readonly probeIn: number
  readonly error: string
}

/** All breakers that are open, those of the places behind backends among them; `breakers` is what a survey found. */
export async function openBreakers(
  { store }: Pick<Broadcaster, 'store'>,
  backends: readonly string[],
  breakers: readonly BreakerRow[],
): Promise<readonly OpenBreaker[]> {
  const { destinations } = store.coordination
  const behind = await Promise.all(
    backends.map(async (backend) => (await destinations.list(backend)).map((one) => ({ backend, ...one }))),
  )
  return [
    ...breakers
      .filter(({ open }) => open)
      .map(({ backend, since, probeIn, error }) => ({ backend, destination: '', since, probeIn, error })),
    ...behind.flat(),
  ]
}

/** `hooks`, or `https://partner.example behind hooks`. */
export function placeOf({ backend, destination }: Pick<OpenBreaker, 'backend' | 'destination'>): string {
  return destination === '' ? backend : `${destination} behind ${backend}`
}

/** For how long it is open, with what stands before it; nothing where that is not known. */
export function openFor({ since }: Pick<OpenBreaker, 'since'>, before: string): string {
  return since === null ? '' : `${before}${formatDuration(since)}`
}
