import { signal } from '@preact/signals'
import { databaseNow } from './clock.ts'
import { live, status } from './live.ts'

/** The counts of all backends at one moment. */
export interface Sample {
  readonly at: number
  readonly waiting: number
  readonly stuck: number
}

/** One point each 5 s, and at most an hour of them. */
const STEP = 5_000
const MOST = 720

/** What this page has seen since it was opened: nothing older is known here. */
export const samples = signal<readonly Sample[]>([])

export function startSamples(): void {
  const take = (): void => {
    const one = status.peek()
    if (one === undefined || document.hidden || live.peek() === 'lost') return
    const waiting = one.backends.reduce((all, backend) => all + backend.waiting.count, 0)
    const stuck = one.backends.reduce((all, backend) => all + backend.stuck.count, 0)
    samples.value = [...samples.peek().slice(1 - MOST), { at: databaseNow(), waiting, stuck }]
  }
  const first = status.subscribe((one) => {
    if (one === undefined) samples.value = []
    else if (samples.peek().length === 0) take()
  })
  void first
  setInterval(take, STEP)
}
