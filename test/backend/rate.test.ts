import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rateOption, rateProblems, resolveRate, showRate } from '../../src/backend/rate.ts'

test('a rate in each of its forms, with what 100 ms hold as its burst', () => {
  const cases = [
    ['50/s', { events: 50, per: 1_000, burst: 5 }],
    [' 3000 / min ', { events: 3_000, per: 60_000, burst: 5 }],
    ['10/h', { events: 10, per: 3_600_000, burst: 1 }],
    ['0.5/s', { events: 0.5, per: 1_000, burst: 1 }],
    ['1/d', { events: 1, per: 86_400_000, burst: 1 }],
    [200, { events: 200, per: 1_000, burst: 20 }],
    [
      { events: 5, per: 250 },
      { events: 5, per: 250, burst: 2 },
    ],
    [
      { events: 50, per: 1_000, burst: 1 },
      { events: 50, per: 1_000, burst: 1 },
    ],
  ] as const
  for (const [given, wanted] of cases) {
    const read = resolveRate(given)
    assert.deepEqual(read, wanted)
    assert.deepEqual(resolveRate(read), wanted, 'what was read is a rate again')
    assert.deepEqual(rateProblems(given), [])
  }
  assert.equal(resolveRate(undefined), undefined)
  assert.equal(rateOption().fallback, undefined)
})

test('what is wrong with a rate is said with a cure', () => {
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    ['50', /^is "50", and it does not say in which time; give '50\/s', '50\/min', '50\/h' or '50\/d'$/],
    ['50/', /does not say in which time/],
    ['0/s', /^is "0\/s", and nothing would go; give a rate above 0, or pause the backend$/],
    ['-1/s', /^is "-1\/s", and nothing would go; give a rate above 0/],
    [0, /^is 0, and nothing would go/],
    ['50/fortnight', /^is "50\/fortnight", and 'fortnight' is no time; give '50\/s'/],
    ['50/constructor', /'constructor' is no time/],
    ['fast', /^is "fast"; give '50\/s'/],
    ['1.2.3/s', /give '50\/s'/],
    ['', /give '50\/s'/],
    [Number.NaN, /give '50\/s'/],
    [Number.POSITIVE_INFINITY, /give '50\/s'/],
    [true, /^is true; give '50\/s'/],
    [null, /^is null; give '50\/s'/],
    [['50/s'], /give '50\/s'/],
    ['2000000/s', /between one a day and 1,000,000 a second/],
    ['0.5/d', /between one a day/],
    [{ events: 50 }, /per, which is missing/],
    [{ events: 0, per: 1_000 }, /events, which is 0; give a number from 0.001/],
    [{ events: 1, per: 1_000, burst: 0 }, /burst, which is 0/],
    [{ events: 1, per: 1_000, bursts: 3 }, /bursts, which is not an option.*burst/],
  ]
  for (const [given, message] of wrong) {
    const [problem = '', ...more] = rateProblems(given)
    assert.match(problem, message, String(given))
    assert.deepEqual(more, [])
    assert.equal(resolveRate(given as string), undefined)
  }
})

test('a rate for people', () => {
  assert.equal(showRate({ events: 50, per: 1_000 }), '50/s')
  assert.equal(showRate({ events: 3_000, per: 60_000 }), '3,000/min')
  assert.equal(showRate({ events: 5, per: 250 }), '5 in 250 ms')
})
