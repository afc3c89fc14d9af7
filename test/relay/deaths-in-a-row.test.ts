import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Heartbeats } from '../../src/relay/heartbeats.ts'
import { planLanes } from '../../src/relay/lane-plan.ts'
import type { LaneRow, LiveWorker } from '../../src/store/coordination-store.ts'

/** Simulated time, in milliseconds: the lease and heartbeat that workers have unless told otherwise. */
const LEASE = 10_000
const HEARTBEAT = 1_000
const STEP = 100
/** How long it takes until a new worker stands in for one that was killed. */
const REPLACED_AFTER = 500
const LANES = 64

interface SimulatedWorker {
  readonly id: string
  readonly heartbeats: Heartbeats
  /** When in each second it gives its heartbeat. */
  readonly phase: number
  leaseUntil: number
  alive: boolean
}

interface Death {
  /** Milliseconds to the next one. */
  readonly pause: number
  readonly which: number
}

/** Workers with the plan and the heartbeats of real ones, and time that passes in steps. */
class Simulation {
  #now = 0
  readonly #workers: SimulatedWorker[] = []
  readonly #lastOwned = new Map<number, number>()
  #lanes: readonly LaneRow[] = Array.from({ length: LANES }, (_, lane) => ({
    backend: 'a',
    lane,
    owner: null,
    fence: 0,
    attention: 0,
    hold: 0,
    holdLeft: null,
    quietFor: 0,
  }))
  /** How long a lane was without an owner that lives, at most. */
  longestWait = 0

  enter(): void {
    const n = this.#workers.length
    const phase = (n * 7 * STEP) % HEARTBEAT
    const leaseUntil = this.#now + LEASE
    const worker = { id: `w${n}`, heartbeats: new Heartbeats(), phase, leaseUntil, alive: true }
    this.#workers.push(worker)
    this.#beat(worker)
    this.#look()
  }

  kill(which: number): void {
    const living = this.#workers.filter(({ alive }) => alive)
    const victim = living[which % living.length]
    if (victim) victim.alive = false
  }

  pass(duration: number): void {
    for (const end = this.#now + duration; this.#now < end; this.#now += STEP) {
      for (const worker of this.#workers) {
        if (worker.alive && this.#now % HEARTBEAT === worker.phase) this.#beat(worker)
      }
      this.#look()
    }
  }

  #beat(worker: SimulatedWorker): void {
    worker.leaseUntil = this.#now + LEASE
    const listed = this.#workers
      .filter(({ leaseUntil }) => leaseUntil > this.#now)
      .map(({ id, leaseUntil }): LiveWorker => ({ id, name: id, backends: ['a'], leaseLeft: leaseUntil - this.#now }))
    const late = worker.heartbeats.observe(listed, this.#now)
    const plan = planLanes({ workerId: worker.id, workers: listed, lanes: this.#lanes, late })
    this.#lanes = this.#lanes.map((lane) => {
      if (plan.release.includes(lane)) return { ...lane, owner: null }
      return plan.claim.includes(lane) ? { ...lane, owner: worker.id } : lane
    })
  }

  #look(): void {
    const alive = new Set(this.#workers.flatMap((worker) => (worker.alive ? [worker.id] : [])))
    for (const { lane, owner } of this.#lanes) {
      const last = this.#lastOwned.get(lane) ?? 0
      if (owner !== null && alive.has(owner)) this.#lastOwned.set(lane, this.#now)
      else this.longestWait = Math.max(this.longestWait, this.#now - last)
    }
  }
}

function longestWait(workers: number, deaths: readonly Death[]): number {
  const simulation = new Simulation()
  for (let n = 0; n < workers; n++) simulation.enter()
  simulation.pass(3 * HEARTBEAT)
  for (const { pause, which } of deaths) {
    simulation.kill(which)
    simulation.pass(REPLACED_AFTER)
    simulation.enter()
    simulation.pass(pause)
  }
  simulation.pass(2 * LEASE)
  return simulation.longestWait
}

test('one worker dies: its lanes are owned again a heartbeat after its lease', () => {
  for (const workers of [2, 3, 8]) {
    const wait = longestWait(workers, [{ pause: 0, which: 1 }])
    assert.ok(wait <= LEASE + HEARTBEAT, `${wait} ms`)
  }
})

test('workers die one after another: each lane is owned again within two leases', () => {
  const death = fc.record({ pause: fc.integer({ min: 0, max: 60 }).map((n) => n * STEP), which: fc.nat(20) })
  const deaths = fc.array(death, { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 8 }), deaths, (workers, some) => {
      const wait = longestWait(workers, some)
      assert.ok(wait <= LEASE * 2, `${wait} ms`)
    }),
    { numRuns: 300 },
  )
})
