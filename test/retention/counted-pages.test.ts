import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resolveWorkerOptions } from '../../src/relay/worker-options.ts'
import { CountedPages } from '../../src/retention/counted-pages.ts'
import type { RetentionOptions } from '../../src/retention/retention-options.ts'
import { type Rules, rulesOf, type Surplus } from '../../src/retention/rules.ts'
import { surplusOf } from '../../src/retention/surplus.ts'
import { type Census, placeOfSeq, seqOfPlace } from '../../src/store/retention-store.ts'

function rules(options: RetentionOptions): Rules {
  const { retention } = resolveWorkerOptions({ retention: options })
  assert.ok(retention)
  return rulesOf(retention)
}

/** A table of published events: every third is of type `a`, the others of `b`. */
class Table {
  seqs: number[] = []
  asked = 0
  /** From this one on they wait: they are there, and count for nothing. */
  waiting = Number.POSITIVE_INFINITY
  #next = 1

  publish(count: number): void {
    for (let n = 0; n < count; n++) this.seqs.push(this.#next++)
  }

  readonly census = async (before: string | null, rows: number, from: string | null = null): Promise<Census> => {
    this.asked++
    const below = before === null ? Number.POSITIVE_INFINITY : Number(seqOfPlace(before))
    const least = from === null ? 0 : Number(seqOfPlace(from))
    const end = this.#indexOf(below)
    const page = this.seqs.slice(Math.max(this.#indexOf(least), end - rows), end)
    const settled = page.filter((seq) => seq < this.waiting)
    const groups = settled.map((seq) => ({ status: 'published', eventType: typeOf(seq), count: 1 }) as const)
    const [oldest] = page
    return { groups, last: oldest === undefined ? null : placeOfSeq(oldest) }
  }

  /** Of the first that is not below it. */
  #indexOf(seq: number): number {
    let [low, high] = [0, this.seqs.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.seqs[middle] ?? 0) < seq) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Deletes what may go, as a clean-up does. */
  clean(surplus: Surplus): void {
    this.seqs = this.seqs.filter((seq) => {
      const place = surplus[typeOf(seq) === 'a' ? 0 : 1]?.published ?? null
      return place === null || placeOfSeq(seq) > place
    })
  }
}

const typeOf = (seq: number): string => (seq % 3 === 0 ? 'a' : 'b')
const goOn = async (): Promise<boolean> => true

for (const [keptOfA, keptOfB] of [
  [30_000, 80_000],
  [50, 80_000],
  [40_000, 50],
  [40_001, 39_999],
] as const) {
  test(`${keptOfA} and ${keptOfB} events are kept exactly, and only what is new is counted`, async () => {
    const some = rules({ keep: { published: keptOfB }, types: { a: { keep: { published: keptOfA } } } })
    const table = new Table()
    const pages = new CountedPages(table)
    table.publish(150_000)
    const first = await surplusOf(pages.begin(true), some, goOn)
    const whole = table.asked
    for (let round = 0; round < 6; round++) {
      // Half of the time nobody deletes what may go.
      if (round % 2 === 0) table.clean(round === 0 ? first : await surplusOf(pages.begin(false), some, goOn))
      table.publish(round === 5 ? 0 : 1_000 * round + 7)
      table.asked = 0
      const surplus = await surplusOf(pages.begin(false), some, goOn)
      const asked = table.asked
      assert.deepEqual(surplus, await surplusOf(new CountedPages(table).begin(true), some, goOn), `round ${round}`)
      assert.ok(asked < 100 && asked < whole, `round ${round}: ${asked} statements, and ${whole} at first`)
    }
  })
}

test('what waited when the newest pages were counted is counted the next time', async () => {
  const some = rules({ keep: { published: 30_000 } })
  const table = new Table()
  table.publish(60_000)
  table.waiting = 45_000
  const pages = new CountedPages(table)
  const placeOf = async (anew: boolean): Promise<string | null | undefined> =>
    (await surplusOf(pages.begin(anew), some, goOn))[0]?.published
  assert.equal(await placeOf(true), placeOfSeq(14_999))
  table.publish(100)
  table.waiting = Number.POSITIVE_INFINITY
  assert.equal(await placeOf(false), placeOfSeq(30_100))
})

test('what is remembered takes a bounded number of pages', async () => {
  const some = rules({ keep: { published: 9_000_000 } })
  let [rows, asked] = [9_000_000, 0]
  const census = async (before: string | null, most: number, from: string | null = null): Promise<Census> => {
    asked++
    const top = before === null ? rows : Number(seqOfPlace(before))
    const count = Math.min(most, top - (from === null ? 0 : Number(seqOfPlace(from))))
    const groups = [{ status: 'published', eventType: 'b', count } as const]
    return count <= 0 ? { groups: [], last: null } : { groups, last: placeOfSeq(top - count) }
  }
  const pages = new CountedPages({ census })
  await surplusOf(pages.begin(true), some, goOn)
  assert.ok(asked >= 9_000)
  for (let n = 0; n < 3; n++) {
    asked = 0
    rows += 10_000
    await surplusOf(pages.begin(false), some, goOn)
    assert.ok(asked < 250, `${asked} statements`)
  }
})

test('a count that was told to stop is not built on', async () => {
  const some = rules({ keep: { published: 30_000 } })
  const table = new Table()
  table.publish(60_000)
  const pages = new CountedPages(table)
  assert.deepEqual(await surplusOf(pages.begin(true), some, async () => table.asked < 25), [])
  assert.equal(pages.remembers, false)
})
