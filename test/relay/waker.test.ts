import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Waker } from '../../src/relay/waker.ts'

/** A waker of a store that writes down what it is asked, and says what the test says. */
async function awake() {
  const asked: string[] = []
  const woken: string[] = []
  let say: (about?: 'events') => void = () => undefined
  let lose: (error: unknown) => void = () => undefined
  let running = Promise.resolve()
  const listener = {
    async arm() {
      asked.push('arm')
      await running
      return true
    },
    async disarm() {
      asked.push('disarm')
    },
    close: async () => undefined,
  }
  const store = {
    async listen(onWake: typeof say, onLost: typeof lose) {
      asked.push('listen')
      say = onWake
      lose = onLost
      return listener
    },
  }
  const waker = new Waker(store, () => undefined, 1_000)
  const sleepers = ['one', 'two'].map((name) => ({ wake: () => void woken.push(name) }))
  const [one, two] = sleepers
  if (one === undefined || two === undefined) throw new Error('two sleepers')
  for (const sleeper of sleepers) waker.add(sleeper)
  waker.watch(() => woken.push('lanes'))
  await waker.start()
  return {
    waker,
    one,
    two,
    asked,
    woken,
    say: (about?: 'events') => say(about),
    lose: () => lose(new Error('lost')),
    /** The next `arm` waits for a commit that is under way. */
    commit: (end: Promise<void>) => {
      running = end
    },
  }
}

/** What was asked for without waiting is asked in a later turn. */
const turns = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('commits stay announced while events come slowly, and are not while they rush to one of the relays', async () => {
  const { waker, one, two, asked } = await awake()
  waker.attend(one)
  await turns()
  assert.deepEqual(asked, ['listen', 'arm'])
  waker.busy(one, false)
  waker.attend(two)
  await turns()
  assert.deepEqual(asked, ['listen', 'arm'])
  waker.busy(two, true)
  waker.attend(one)
  await turns()
  assert.deepEqual(asked, ['listen', 'arm', 'disarm'], 'nor for the other one')
  waker.attend(two)
  await turns()
  assert.deepEqual(asked, ['listen', 'arm', 'disarm', 'arm'], 'the rush is over')
})

test('who was woken looks once more before a long sleep, when commits that said nothing have ended', async () => {
  const { waker, one, two, asked, say, commit } = await awake()
  assert.equal(await waker.rest(one), 'beside-busy')
  assert.equal(await waker.rest(two), 'sweep')
  assert.equal(await waker.rest(one), 'sweep')
  assert.equal(await waker.rest(two), 'sleep')
  say('events')
  const { promise, resolve } = Promise.withResolvers<void>()
  commit(promise)
  let rest: string | undefined
  const resting = waker.rest(two).then((said) => {
    rest = said
  })
  await turns()
  assert.equal(rest, undefined, 'a commit under way may have said nothing')
  resolve()
  await resting
  assert.equal(rest, 'sweep')
  assert.equal(await waker.rest(two), 'sleep')
  assert.deepEqual(asked, ['listen', 'arm', 'arm'])
})

test('what was announced while commits began to be announced counts for the next time', async () => {
  const { waker, one, two, asked, say, commit } = await awake()
  await waker.rest(one)
  const { promise, resolve } = Promise.withResolvers<void>()
  commit(promise)
  const resting = waker.rest(two)
  await turns()
  say('events')
  resolve()
  assert.equal(await resting, 'sweep')
  // It may have been for a commit that this look has not seen.
  assert.equal(await waker.rest(two), 'sweep')
  assert.equal(await waker.rest(two), 'sleep')
  assert.deepEqual(asked, ['listen', 'arm', 'arm'])
})

test('commits of events wake the relays alone, anything else those who look after lanes as well', async () => {
  const { woken, say } = await awake()
  say('events')
  assert.deepEqual(woken, ['one', 'two'])
  say()
  assert.deepEqual(woken, ['one', 'two', 'lanes', 'one', 'two'])
})

test('a commit that called from within is not read for again when it is announced', async () => {
  const { waker, one, two, woken, say } = await awake()
  for (const sleeper of [one, two, one, two]) await waker.rest(sleeper)
  waker.wakeAll()
  assert.deepEqual(woken.splice(0), ['lanes', 'one', 'two'])
  say('events')
  assert.deepEqual(woken, [])
  assert.equal(await waker.rest(one), 'sweep', 'but it may have been another')
  say()
  assert.deepEqual(woken, ['lanes', 'one', 'two'])
})

test('a connection that was lost is asked for again only after the store has answered somebody', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { waker, asked, lose } = await awake()
  const now = t.mock.method(performance, 'now')
  const later = performance.now() + 60_000
  lose()
  t.mock.timers.tick(60_000)
  await turns()
  assert.deepEqual(asked, ['listen'])
  now.mock.mockImplementation(() => later)
  waker.storeAnswered()
  await turns()
  assert.deepEqual(asked, ['listen', 'listen'])
  waker.storeAnswered()
  await turns()
  assert.deepEqual(asked, ['listen', 'listen'], 'once')
})

test('who sleeps for long is woken when commits are no longer announced', async () => {
  const { waker, one, two, woken } = await awake()
  await waker.rest(one)
  assert.equal(await waker.rest(two), 'sweep')
  woken.length = 0
  waker.busy(two, true)
  assert.deepEqual(woken, ['one'])
})

test('an arming that is not answered is a connection that is lost', { timeout: 10_000 }, async () => {
  const { waker, one, two, commit, woken } = await awake()
  commit(new Promise(() => undefined))
  await waker.rest(one)
  woken.length = 0
  assert.equal(await waker.rest(two), 'poll')
  assert.deepEqual(woken, ['lanes', 'one', 'two'])
  assert.equal(waker.isQuiet, false)
})
