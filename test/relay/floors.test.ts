import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Floors } from '../../src/relay/floors.ts'
import type { OpenLane } from '../../src/relay/open-lane.ts'
import type { Writers } from '../../src/store/relay-store.ts'

/** Floors of a store that answers with what is set here. */
class Asked {
  server = 'one'
  drawn: number | undefined = 0
  running: readonly string[] = []
  isAway = false
  asked = 0
  readonly floors: Floors

  constructor(age = 0) {
    const writers = async (): Promise<Writers> => {
      this.asked++
      if (this.isAway) throw new Error('away')
      return { server: this.server, running: new Set(this.running), drawn: this.drawn }
    }
    this.floors = new Floors({ writers }, age)
  }

  async next(drawn: number, ...running: readonly string[]) {
    Object.assign(this, { drawn, running })
    this.floors.saw(1_000_000)
    const floor = await this.floors.next()
    return floor && { after: floor.after, guard: [...floor.guard] }
  }
}

test('the first floor takes three answers: a number, who may have written below it, and who of them still runs', async () => {
  const asked = new Asked()
  const answers = [
    { drawn: 10, running: ['a', 'b'] },
    { drawn: 20, running: ['b', 'c'] },
    { drawn: 30, running: ['c', 'd'] },
  ]
  const floors = new Floors({
    writers: async () => {
      const { drawn, running } = answers.shift() ?? assert.fail('no more is asked')
      return { server: 'it', drawn, running: new Set(running) }
    },
  })
  // Of 10 it was not known who had drawn what is below: an answer says nothing of the order in which it was made.
  const floor = await floors.next()
  assert.deepEqual([floor?.after, [...(floor?.guard.keys() ?? [])]], [10, ['c']])
  asked.isAway = true
  assert.equal(await asked.floors.next(), undefined)
  assert.equal(asked.asked, 1, 'a store that does not answer is not asked again')
})

test('a floor is a number that was known before those were asked for who may have written below it', async () => {
  const asked = new Asked()
  await asked.next(10, 'a')
  await asked.next(20, 'b', 'c')
  assert.deepEqual(await asked.next(30, 'c', 'd'), { after: 10, guard: [['c', 10]] })
  assert.deepEqual(await asked.next(40, 'e'), { after: 20, guard: [] })
})

test('who guards a floor has written only above what was drawn before it was first seen', async () => {
  const asked = new Asked()
  await asked.next(10, 'a')
  await asked.next(20, 'a', 'b')
  await asked.next(30, 'a', 'b', 'c')
  const begun = [
    ['a', Number.MIN_SAFE_INTEGER],
    ['b', 10],
    ['c', 10],
  ]
  assert.deepEqual(await asked.next(40, 'a', 'b', 'c'), { after: 20, guard: begun })
  await asked.next(50, 'a', 'b')
  // The name was given to another one.
  await asked.next(60, 'a', 'b', 'c')
  assert.deepEqual((await asked.next(70, 'c'))?.guard, [['c', 40]])
})

test('a floor rests on an answer that is not quite new: who has begun and ended since guards nothing', async () => {
  const asked = new Asked(10_000)
  await asked.next(10, 'a')
  const first = await asked.next(20, 'a', 'b')
  assert.deepEqual(first, { after: 10, guard: [['a', Number.MIN_SAFE_INTEGER]] })
  await asked.next(30, 'b')
  assert.deepEqual(await asked.next(40, 'b', 'c'), { after: 10, guard: [] })
})

test('a store that does not tell what was drawn is told what was seen', async () => {
  const asked = new Asked()
  asked.drawn = undefined
  asked.floors.saw(7)
  assert.equal((await asked.floors.next())?.after, 7)
  asked.running = ['a']
  asked.floors.saw(9)
  asked.floors.saw(8)
  assert.equal((await asked.floors.next())?.after, 7)
  const last = await asked.floors.next()
  assert.deepEqual([last?.after, [...(last?.guard ?? [])]], [9, [['a', 7]]])
})

test('a floor holds while all run that may have written below it', async () => {
  const asked = new Asked()
  for (const drawn of [10, 20]) await asked.next(drawn, 'a', 'b')
  asked.running = ['a', 'b']
  const floor = await asked.floors.next()
  assert.ok(floor)
  assert.deepEqual(await asked.floors.ended([floor]), new Set())
  asked.running = ['b', 'c']
  assert.deepEqual(await asked.floors.ended([floor]), new Set(['a']))
  asked.running = ['a', 'b']
  asked.isAway = true
  assert.equal(await asked.floors.ended([floor]), undefined, 'it is not known')
})

test('a floor without a guard holds, and nothing is asked', async () => {
  const asked = new Asked()
  assert.deepEqual(await asked.floors.ended([{ after: 1, guard: new Map(), source: {} }]), new Set())
  assert.equal(asked.asked, 0)
})

test('another server, or none that answered, ends all floors', async () => {
  const asked = new Asked()
  for (const drawn of [10, 20]) await asked.next(drawn)
  const floor = await asked.floors.next()
  assert.ok(asked.floors.isKnown(floor))
  asked.server = 'two'
  assert.deepEqual(await asked.next(5), { after: 5, guard: [] })
  assert.ok(!asked.floors.isKnown(floor))
  for (const drawn of [6, 7]) await asked.next(drawn)
  const again = await asked.floors.next()
  assert.ok(asked.floors.isKnown(again))
  asked.floors.forget()
  assert.ok(!asked.floors.isKnown(again))
})

test('what was seen of another server is no number of this one, which may draw it once more', async () => {
  const asked = new Asked()
  asked.drawn = undefined
  asked.floors.saw(100)
  for (let n = 0; n < 2; n++) await asked.floors.next()
  asked.server = 'two'
  for (let n = 0; n < 3; n++) assert.equal(await asked.floors.next(), undefined)
  asked.floors.saw(90)
  assert.equal((await asked.floors.next())?.after, 90)
})

test('numbers that are drawn once more, since the sequence was set back, end all floors', async () => {
  const asked = new Asked()
  for (const drawn of [10, 20]) await asked.next(drawn)
  const floor = await asked.floors.next()
  assert.ok(asked.floors.isKnown(floor))
  assert.equal((await asked.next(3))?.after, 3)
  assert.ok(!asked.floors.isKnown(floor))
})

test('a sweep reads as many lanes from their heads as time allows, and all of them where nobody tells who writes', async () => {
  const { floors } = new Asked()
  assert.equal(floors.headsOf(64), 64)
  floors.took(64, 64)
  assert.equal(floors.headsOf(64), 3)
  floors.took(90, 3)
  assert.equal(floors.headsOf(64), 1)
  floors.took(1, 1)
  assert.equal(floors.headsOf(64), 3)
  floors.took(0.1, 0)
  assert.equal(floors.headsOf(64), 3, 'a read from floors says nothing of heads')
  floors.took(64, 16)
  assert.equal(floors.opensOf(64), 12, 'lanes that have no floor are begun by more at a time')
  floors.took(640, 4)
  assert.equal(floors.opensOf(64), 1)
  floors.took(0.5, 64)
  assert.equal(floors.headsOf(64), 64)
  const plain = new Floors({})
  plain.took(900, 64)
  assert.equal(plain.headsOf(64), 64)
})

test('reads from the heads are not dear because each statement takes long, the server being far away', async (t) => {
  let now = 1_000_000
  t.mock.method(performance, 'now', () => now)
  let trip = 20
  const store = {
    writers: async (): Promise<Writers> => {
      now += trip
      return { server: 'one', running: new Set(), drawn: 1 }
    },
  }
  const lanes = Array.from({ length: 64 }, () => ({ position: {} }) as OpenLane)
  const floors = new Floors(store)
  const sweep = async (takes: number): Promise<void> => {
    if (floors.areWanted(lanes, true)) await floors.next()
    floors.took(takes, floors.headsOf(64))
  }
  await sweep(22)
  assert.equal(floors.headsOf(64), 8, 'it is not known yet')
  await sweep(21)
  assert.equal(floors.headsOf(64), 24)
  await sweep(21)
  await sweep(22)
  assert.equal(floors.headsOf(64), 64)
  assert.equal(floors.areWanted(lanes, true), false, 'it was asked a moment ago')
  await sweep(320)
  assert.equal(floors.headsOf(64), 1, 'now they are dear')
  assert.equal(floors.areWanted(lanes, false), true)
  await sweep(22)
  await sweep(20)
  assert.equal(floors.headsOf(64), 64)
  trip = 1
  now += 10_000
  await sweep(22)
  assert.equal(floors.headsOf(64), 9, 'the server is near by now')
})
