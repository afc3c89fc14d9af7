import { FEW, type FetchedData, type FetchedRow, type LaneCursor, type RelayStore } from '../store/relay-store.ts'
import type { ByteRoom } from './byte-rooms.ts'
import { LAST } from './lane-position.ts'
import { ReadWays } from './read-ways.ts'

/**
 * Data of more bytes does not come with its row, but by a second statement, when it is known that it is not in hand already and that
 * there is room for it.
 */
const LARGE = 16_384

/** Times that data was asked for by itself, and did not come, after which its event is to blame. */
const PATIENCE = 2
/** Events remembered whose data did not come. */
const MOST_UNREAD = 100

/** A row as it was read. */
export interface ReadRow extends FetchedRow {
  /** Why its data cannot be read, though all else can: it is missing here. */
  readonly unreadable?: unknown
}

/** What was found, in `seq` order. */
export interface Find {
  readonly rows: readonly ReadRow[]
  /** Lanes in which there is more: what comes next had no room. */
  readonly cut: ReadonlySet<number>
}

type Unreadable = Pick<ReadRow, 'unreadable'>

/** How many bytes of data a row has with it. */
export function bytesOf({ data, dataBinary }: Pick<FetchedRow, 'data' | 'dataBinary'>): number {
  return data === null ? (dataBinary?.byteLength ?? 0) : Buffer.byteLength(data)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

const NONE: ReadonlySet<number> = new Set()

/** Fetches rows, and of their data no more than there is room for. */
export class BoundedFetch {
  readonly #store: RelayStore
  readonly #names: readonly string[]
  readonly #room: ByteRoom
  /** Rows of the next read, at most: fewer after one that failed, which may have been too large for the time it had. */
  #most = Number.POSITIVE_INFINITY
  readonly #ways = new ReadWays()
  /** Bytes of one event, by the last read. */
  #usual = 0
  /** Bytes of the first event that had no room in this read. */
  #missing = 0
  /** How often the data of an event was asked for by itself in vain, by its id. */
  readonly #unread = new Map<string, number>()

  constructor(store: RelayStore, names: readonly string[], room: ByteRoom) {
    this.#store = store
    this.#names = names
    this.#room = room
  }

  /** Rows of the next read, at most, whatever their size. */
  get most(): number {
    return this.#most
  }

  /** How many of `space` rows to ask for: there is likely to be room for no more. */
  rows(space: number): number {
    // One that is smaller than four others on average comes with its row.
    const each = Math.max(1, this.#usual, Math.min(4 * this.#usual, LARGE))
    return Math.min(space, Math.max(1, this.#room.left / each), this.#most)
  }

  /**
   * `isWanted`: whether a row is to be sent, and not only to be met. Of those alone the data counts, and all of it is there. Keeps
   * room for what it finds until `end`. `mayBeFew`: all lanes are read to their ends, and there
   * may be little in them.
   */
  async fetch(cursors: readonly LaneCursor[], isWanted: (row: FetchedRow) => boolean, mayBeFew = false): Promise<Find> {
    const asked = cursors.reduce((sum, { limit }) => sum + limit, 0)
    const room = this.#room.reserve()
    this.#missing = 0
    try {
      const few = mayBeFew ? await this.#few(cursors, room) : undefined
      const rows = few ?? (await this.#each(cursors, Math.min(LARGE, Math.floor(room / asked))))
      const find = await this.#complete(rows, isWanted, room)
      this.#most *= 2
      return find
    } catch (error) {
      this.#most = Math.max(1, Math.min(this.#most, asked) / 4)
      throw error
    }
  }

  /** All lanes at once, where they have little together; undefined = they have more, or that takes longer than one by one. */
  async #few(cursors: readonly LaneCursor[], room: number): Promise<readonly FetchedRow[] | undefined> {
    const { fetchFew } = this.#store
    if (fetchFew === undefined || !this.#ways.mayBeAtOnce(cursors.length)) return undefined
    const start = performance.now()
    const afterIn = new Map(cursors.map(({ lane, after }) => [lane, after]))
    const rows = await fetchFew(this.#names, Math.min(...afterIn.values()), Math.min(LARGE, Math.floor(room / FEW)))
    this.#ways.atOnce(performance.now() - start, rows === undefined)
    return rows?.filter(({ lane, seq }) => seq > (afterIn.get(lane) ?? LAST))
  }

  /** Each lane by itself. */
  async #each(cursors: readonly LaneCursor[], mostData: number): Promise<readonly FetchedRow[]> {
    const start = performance.now()
    const rows = await this.#store.fetch(this.#names, cursors, mostData)
    this.#ways.each(performance.now() - start, cursors.length)
    return rows
  }

  /** What it found is in hand now. */
  end(): void {
    this.#room.release(this.#missing)
  }

  /** Gets the data that was withheld, as far as there is room; a lane ends before its first event that has none. */
  async #complete(rows: readonly FetchedRow[], isWanted: (row: FetchedRow) => boolean, room: number): Promise<Find> {
    if (!rows.some(({ withheld }) => withheld !== null)) {
      this.#learn(rows)
      return { rows, cut: NONE }
    }
    const wanted = new Set(rows.filter(isWanted))
    const large = [...wanted].filter(({ withheld }) => withheld !== null)
    const left = room - sum([...wanted].map(bytesOf))
    let found = await this.#data(large, left)
    // It has no room although nothing else has any: it goes alone.
    const [first] = wanted
    const isAlone = found.length === 0 && this.#room.inUse === 0 && first !== undefined && first === large[0]
    if (isAlone) found = await this.#data([first], Number.POSITIVE_INFINITY)
    const data = new Map(found.map((one) => [one.id, one]))
    const cut = new Set<number>()
    const kept: ReadRow[] = []
    for (const row of rows) {
      if (cut.has(row.lane)) continue
      const more = data.get(row.id)
      const isWhole = more !== undefined || (row.withheld === null && !isAlone)
      if (!wanted.has(row)) kept.push(row)
      else if (isWhole) kept.push(more === undefined ? row : { ...row, ...more, withheld: null })
      else {
        cut.add(row.lane)
        // Where nothing had any, it is more than was said: it was compressed.
        this.#missing ||= Math.max(row.withheld ?? bytesOf(row), found.length === 0 ? 2 * room : 1)
      }
    }
    this.#learn(kept.filter(({ withheld }) => withheld === null))
    return { rows: kept, cut }
  }

  /**
   * One that is too large for the time that a statement has would be asked for again and again, and keep all others waiting: it is to
   * blame once it did not come by itself, though its row did.
   */
  async #data(rows: readonly FetchedRow[], bytes: number): Promise<readonly (FetchedData & Unreadable)[]> {
    const [only, ...more] = rows
    try {
      const found = await this.#store.fetchData(rows, bytes)
      for (const { id } of found) this.#unread.delete(id)
      return found
    } catch (error) {
      if (only === undefined || more.length > 0) throw error
      const times = (this.#unread.get(only.id) ?? 0) + 1
      this.#unread.set(only.id, times)
      const [oldest] = this.#unread.keys()
      if (this.#unread.size > MOST_UNREAD && oldest !== undefined) this.#unread.delete(oldest)
      if (times < PATIENCE) throw error
      return [{ id: only.id, data: null, dataBinary: null, unreadable: error }]
    }
  }

  #learn(rows: readonly FetchedRow[]): void {
    if (rows.length > 0) this.#usual = sum(rows.map(bytesOf)) / rows.length
  }
}
