import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FURTHEST_AHEAD, type PermitRequest, takePermits } from '../../src/store/permits.ts'

test('what is given at once, ahead, and not yet', () => {
  const cases: readonly (readonly [number, PermitRequest, { taken: number; wait: number; spent: number | null }])[] = [
    [-60_000, { events: 100, interval: 20, burst: 5 }, { taken: 5, wait: 0, spent: 100 }],
    [0, { events: 3, interval: 20, burst: 5 }, { taken: 3, wait: 0, spent: 60 }],
    [60, { events: 1, interval: 20, burst: 5 }, { taken: 1, wait: 0, spent: 80 }],
    [60, { events: 100, interval: 20, burst: 5 }, { taken: 5, wait: 60, spent: 160 }],
    [100, { events: 2, interval: 20, burst: 5 }, { taken: 2, wait: 40, spent: 140 }],
    [100 + FURTHEST_AHEAD, { events: 2, interval: 20, burst: 5 }, { taken: 0, wait: 40, spent: null }],
    [0, { events: 9, interval: 6_000, burst: 1 }, { taken: 1, wait: 0, spent: 6_000 }],
    [6_000, { events: 9, interval: 6_000, burst: 1 }, { taken: 0, wait: 5_000, spent: null }],
    [1_000, { events: 9, interval: 6_000, burst: 1 }, { taken: 1, wait: 1_000, spent: 7_000 }],
    // A burst of its own: all of it at once, and then as much as fits in 100 ms.
    [0, { events: 500, interval: 10, burst: 1_000 }, { taken: 500, wait: 0, spent: 5_000 }],
    [10_000, { events: 500, interval: 10, burst: 1_000 }, { taken: 10, wait: 100, spent: 10_100 }],
    // The clock was set back, or the rate was slower: nothing at once, and no wait of an hour.
    [3_600_000, { events: 5, interval: 20, burst: 5 }, { taken: 5, wait: 100, spent: 200 }],
    // The same for a slow one: nothing is given yet, and it owes no more than it can.
    [3_600_000, { events: 5, interval: 6_000, burst: 1 }, { taken: 0, wait: 5_000, spent: 6_000 }],
    [6_000 + FURTHEST_AHEAD + 2, { events: 5, interval: 6_000, burst: 1 }, { taken: 0, wait: 5_000, spent: 6_000 }],
  ]
  for (const [spent, request, wanted] of cases) assert.deepEqual(takePermits(spent, request), wanted)
})

test('in any time no more is used than the rate allows and a burst, whoever asks and whenever', () => {
  let seed = 7
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((seed / 2 ** 31) * below)
  }
  for (let run = 0; run < 60; run++) {
    const interval = [0.2, 1, 20, 333, 6_000][random(5)] ?? 1
    const burst = 1 + random(run % 2 === 0 ? 1 : 50)
    const used: { at: number; events: number }[] = []
    let [now, spentUntil, asked, idle] = [0, 0, 0, 0]
    for (let step = 0; step < 200; step++) {
      now += random(step % 20 === 0 ? 40 * interval : 3 * interval)
      const { taken, wait, spent } = takePermits(spentUntil - now, { events: 1 + random(80), interval, burst })
      asked++
      if (spent !== null) spentUntil = now + spent
      if (taken === 0) {
        idle++
        assert.ok(wait > 0)
        continue
      }
      used.push({ at: now + wait, events: taken })
      assert.ok(wait <= FURTHEST_AHEAD)
    }
    assert.ok(idle < asked, 'something is given')
    used.sort((a, b) => a.at - b.at)
    for (const [n, first] of used.entries()) {
      let sum = 0
      for (const { at, events } of used.slice(n)) {
        sum += events
        const most = (at - first.at) / interval + burst
        assert.ok(sum <= most + 1e-6, `${sum} events in ${at - first.at} ms of ${interval} ms, burst ${burst}`)
      }
    }
  }
})

test('who asks as soon as told gets all that the rate allows', () => {
  for (const interval of [0.5, 20, 700, 6_000]) {
    let [now, spentUntil, sum] = [0, 0, 0]
    const burst = Math.max(1, Math.floor(100 / interval))
    while (now < 1_000 * interval) {
      const { taken, wait, spent } = takePermits(spentUntil - now, { events: 1_000, interval, burst })
      if (spent !== null) spentUntil = now + spent
      sum += taken
      now += wait + 0.01
    }
    assert.ok(sum >= 990 && sum <= 1_000 + 2 * burst + 1, `${sum} of 1,000 at ${interval} ms`)
  }
})

test('behind a clock that was set back a rate goes on after no more than one event and its burst need', () => {
  for (const interval of [20, 700, 6_000]) {
    for (const burst of [1, 7]) {
      let [now, spentUntil, sum] = [0, 3_600_000, 0]
      while (sum === 0 && now < 3_600_000) {
        const { taken, wait, spent } = takePermits(spentUntil - now, { events: 1, interval, burst })
        if (spent !== null) spentUntil = now + spent
        sum += taken
        now += wait + 0.01
      }
      assert.ok(now <= interval * (burst + 1) + 1, `${now} ms at ${interval} ms, burst ${burst}`)
    }
  }
})
