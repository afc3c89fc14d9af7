import { signal } from '@preact/signals'
import { addressOf, ask } from './ask.ts'
import { setDatabaseTime } from './clock.ts'
import { asProblem, Problem } from './problem.ts'
import { isLoggedOut } from './session.ts'
import type { LiveTrouble, Status } from './types.ts'

/** How the outbox is, as the live feed said last. */
export const status = signal<Status | undefined>(undefined)
/** When it was said, in milliseconds of this page. */
export const statusAt = signal(0)
/** Why there is no status. */
export const statusProblem = signal<Problem | undefined>(undefined)

export type Live = 'on' | 'paused' | 'lost'
export const live = signal<Live>('on')
/** When it is tried again, in milliseconds of this page; 0 = it is being tried. */
export const nextTry = signal(0)

/** The longest wait between two tries, in milliseconds; it begins with one second and doubles. */
const LONGEST = 30_000

let feed: EventSource | undefined
let retry: ReturnType<typeof setTimeout> | undefined
let wait = 1_000

function said(one: Status): void {
  status.value = one
  statusAt.value = performance.now()
  statusProblem.value = undefined
  setDatabaseTime(one.at)
}

/** Opens the feed, unless it is paused or nobody looks. */
export function openLive(): void {
  close()
  if (live.peek() === 'paused' || document.hidden || isLoggedOut.peek()) return
  nextTry.value = 0
  const source = new EventSource(addressOf('live'))
  feed = source
  source.addEventListener('status', (event) => {
    wait = 1_000
    live.value = 'on'
    said(JSON.parse((event as MessageEvent<string>).data) as Status)
  })
  source.addEventListener('trouble', (event) => {
    const { code, detail } = JSON.parse((event as MessageEvent<string>).data) as LiveTrouble
    statusProblem.value = new Problem(code, detail)
  })
  // The browser's own retry has a fixed pace: ours slows down.
  source.onerror = () => {
    close()
    live.value = 'lost'
    nextTry.value = performance.now() + wait
    retry = setTimeout(openLive, wait)
    wait = Math.min(LONGEST, wait * 2)
    if (status.peek() === undefined) void askOnce()
  }
}

function close(): void {
  feed?.close()
  feed = undefined
  clearTimeout(retry)
}

/** Asks without the feed: at the start, when it is paused, and after an action. */
export async function askOnce(): Promise<void> {
  try {
    said(await ask<Status>('status'))
  } catch (thrown) {
    statusProblem.value = asProblem(thrown)
  }
}

export function switchLive(): void {
  live.value = live.peek() === 'paused' ? 'on' : 'paused'
  if (live.peek() === 'on') openLive()
  else close()
}

/** Another outbox: what is known of the last one says nothing of it. */
export function forgetStatus(): void {
  status.value = undefined
  statusProblem.value = undefined
}

/** Quiet while hidden; one refresh when it is seen again. */
export function startLive(): void {
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) close()
    else openLive()
  })
  void askOnce()
  openLive()
}
