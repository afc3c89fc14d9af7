import type { LaneRow, LiveWorker } from '../store/coordination-store.ts'

/** What one worker should do about its lanes now. */
export interface LanePlan {
  /** Free lanes to take, up to the fair share. */
  readonly claim: readonly LaneRow[]
  /** Own lanes over the fair share, to give back once what is in flight there is finished. */
  readonly release: readonly LaneRow[]
}

export interface LanePlanInput {
  readonly workerId: string
  readonly workers: readonly LiveWorker[]
  /** Lanes of any backends; each backend is shared out by itself among the workers that serve it. */
  readonly lanes: readonly LaneRow[]
  /** Listed workers that missed heartbeats: what they own is theirs until their lease ends, and no more is kept for them. */
  readonly late?: ReadonlySet<string>
  /** Take every free lane, whatever the share: for a one-shot drain. */
  readonly greedy?: boolean
}

const NOBODY: ReadonlySet<string> = new Set()

/**
 * The fair share: with n workers for a backend each owns floor or ceil of lanes/n, and the shares add up exactly, so
 * that two workers never compete for the same last lane for ever. Where a worker starts to look among the free lanes
 * depends on its rank, so that several who arrive together seldom collide (a collision costs only a failed claim).
 * Shares are worked out without the workers that are late: while several die in a row, the lanes of the first would
 * else wait for the leases of the others to end.
 */
export function planLanes({ workerId, workers, lanes, late = NOBODY, greedy = false }: LanePlanInput): LanePlan {
  const alive = new Set(workers.map((worker) => worker.id))
  const punctual = workers.filter(({ id }) => id === workerId || !late.has(id))
  const claim: LaneRow[] = []
  const release: LaneRow[] = []
  for (const [backend, of] of Map.groupBy(lanes, (lane) => lane.backend)) {
    const mine = of.filter((lane) => lane.owner === workerId)
    const free = of.filter((lane) => lane.owner === null || !alive.has(lane.owner))
    if (greedy) {
      claim.push(...free)
      continue
    }
    const { share, rank, count } = fairShare(workerId, backend, punctual, of.length)
    if (mine.length > share) release.push(...mine.slice(share))
    const want = Math.min(Math.max(0, share - mine.length), free.length)
    const start = count === 0 ? 0 : Math.floor((free.length * rank) / count)
    for (let n = 0; n < want; n++) {
      const lane = free[(start + n) % free.length]
      if (lane) claim.push(lane)
    }
  }
  return { claim, release }
}

function fairShare(workerId: string, backend: string, workers: readonly LiveWorker[], lanes: number) {
  const serving = workers
    .filter((worker) => worker.backends.includes(backend))
    .map((worker) => worker.id)
    .sort()
  const rank = serving.indexOf(workerId)
  if (rank < 0) return { share: 0, rank: 0, count: serving.length }
  const share = Math.floor(lanes / serving.length) + (rank < lanes % serving.length ? 1 : 0)
  return { share, rank, count: serving.length }
}
