import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HEAD, LAST, LanePosition } from '../../src/relay/lane-position.ts'

const state = ({ cursor, dry, isLong, hasBacklog }: LanePosition) => ({ cursor, dry, isLong, hasBacklog })

/** Read from its head when numbers up to 100 were given out, and cut short at 40. */
function inBacklog(): LanePosition {
  const position = new LanePosition(0)
  position.catchingUp = false
  position.swept({ count: 10, last: 40, limit: 10 }, 100)
  return position
}

test('a lane that was cut short is read on from its cursor, up to the horizon', () => {
  const position = inBacklog()
  assert.deepEqual(state(position), { cursor: 40, dry: false, isLong: true, hasBacklog: true })
  assert.deepEqual(
    [40, 100, 101].map((seq) => position.isCertain(seq)),
    [true, true, false],
  )
  position.advanced({ count: 10, last: 90, limit: 10 })
  assert.deepEqual(state(position), { cursor: 90, dry: false, isLong: true, hasBacklog: true })
})

test('what lies beyond the horizon is left for a read from the head', () => {
  const position = inBacklog()
  position.advanced({ count: 10, last: 101, limit: 10 })
  assert.deepEqual(state(position), { cursor: 100, dry: false, isLong: true, hasBacklog: false })
  const other = inBacklog()
  other.advanced({ count: 1, last: 101, limit: 10 })
  assert.deepEqual(state(other), { cursor: 100, dry: false, isLong: false, hasBacklog: false })
})

test('a lane that was read to its end is dry, and what comes then stands beyond its horizon', () => {
  const position = inBacklog()
  position.advanced({ count: 2, last: 60, limit: 10 })
  assert.deepEqual(state(position), { cursor: 100, dry: true, isLong: false, hasBacklog: false })
  position.dry = false
  assert.equal(position.hasBacklog, false)
  position.swept({ count: 0, last: HEAD, limit: 10 }, 120)
  assert.deepEqual(state(position), { cursor: 120, dry: true, isLong: false, hasBacklog: false })
})

test('what goes back is read again from the cursor; without a word of what came back the lane is not read before it is known', () => {
  const position = inBacklog()
  position.rewindTo(20)
  assert.deepEqual(state(position), { cursor: 19, dry: false, isLong: true, hasBacklog: true })
  position.rewindTo(30)
  assert.equal(position.cursor, 19)
  position.distrust()
  assert.deepEqual(state(position), { cursor: HEAD, dry: false, isLong: true, hasBacklog: false })
})

test('a number that no column can hold moves nothing beyond the last cursor', () => {
  const position = new LanePosition(0)
  position.catchingUp = false
  position.swept({ count: 10, last: Number.MAX_VALUE, limit: 10 }, Number.MAX_VALUE)
  assert.deepEqual(state(position), { cursor: LAST, dry: false, isLong: true, hasBacklog: false })
})

test('suspects end with a read to the end of the lane', () => {
  const position = new LanePosition(50)
  position.swept({ count: 10, last: 40, limit: 10 }, 100)
  assert.equal(position.suspects, 50)
  position.advanced({ count: 3, last: 60, limit: 10 })
  assert.equal(position.suspects, 3)
})

test('a floor is raised by what was read to its end, and never above what is to be read again', () => {
  const source = {}
  const floor = (after: number) => ({ after, guard: new Map<string, number>(), source })
  const position = inBacklog()
  position.raise(floor(90), { count: 10, last: 40, limit: 10 })
  assert.equal(position.floor?.after, 40, 'it was cut short')
  position.swept({ count: 1, last: 95, limit: 10 }, 100)
  position.raise(floor(90), { count: 1, last: 95, limit: 10 })
  assert.equal(position.floor?.after, 90)
  position.rewindTo(91)
  assert.equal(position.floor?.after, 90)
  position.rewindTo(60)
  assert.equal(position.floor?.after, 59)
  position.rewindTo(HEAD)
  assert.equal(position.floor, undefined)
})

test('what was read from a floor is forgotten when a guard of it has ended, and read from where that one had begun', () => {
  const guard = new Map([
    ['a', HEAD],
    ['b', 30],
    ['c', 70],
  ])
  const read = {}
  const guarded = (): LanePosition => {
    const position = new LanePosition(0)
    position.catchingUp = false
    position.swept({ count: 1, last: 95, limit: 10 }, 100)
    position.raise({ after: 60, guard, source: {} }, { count: 1, last: 95, limit: 10 })
    position.begin(read)
    return position
  }
  const position = guarded()
  position.leave(new Set(['d']))
  assert.ok(position.isStillIn(read))
  assert.deepEqual([position.cursor, position.floor?.after, position.dry], [100, 60, true])
  position.leave(new Set(['c']))
  assert.ok(
    !position.isStillIn(read),
    'it may have missed what was below the floor, of one that had it from there only',
  )
  assert.deepEqual([position.cursor, position.floor?.after, position.dry], [60, 60, false])
  assert.deepEqual([...(position.floor?.guard.keys() ?? [])], ['a', 'b'])
  position.leave(new Set(['b', 'd']))
  assert.deepEqual([position.cursor, position.floor?.after], [30, 30])
  assert.deepEqual([...(position.floor?.guard.keys() ?? [])], ['a'])
  position.leave(new Set(['a']))
  assert.deepEqual([position.cursor, position.floor], [HEAD, undefined])
  const both = guarded()
  both.leave(new Set(['a', 'c']))
  assert.deepEqual([both.cursor, both.floor], [HEAD, undefined])
})
