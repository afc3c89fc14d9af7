import { BroadcasterError } from '../errors.ts'
import {
  type OldPartition,
  type PartitionStore,
  SETTLED,
  type SettledEvent,
  type SettledStatus,
} from '../store/retention-store.ts'
import type { Archive } from './archive.ts'
import { lastPlaces, leastAges, mayGo, type Rules, type Surplus } from './rules.ts'

/** Rows that are looked at by one statement. */
const PAGE = 5_000
/** Events that stay are moved while nobody can publish: with more of them a partition is cleaned row by row. */
const MOST_STAYING = 1_000
/** A partition that could not go is looked through again after so many ms. */
const LOOK_AGAIN = 3_600_000
/** So often in turn a table that cannot be locked is nothing to tell. */
const BUSY_TOLD = 3

/** Who asks. */
export interface DropTurn {
  onRemoved(count: number): void
  /** Called between two statements, of which the last took so many ms; resolves with false = stop here. */
  rest(taken: number): Promise<boolean>
  /** Looked at before a partition is taken out, and before events of it are archived or deleted. Default: always. */
  readonly mayGoOn?: (() => boolean) | undefined
}

/** Ids that are not to be deleted row by row, both ends included. */
export type Range = { readonly first: string; readonly last: string }

/** What became of those that are over. */
export interface DropOutcome {
  /** The ids of partitions that are still to be dropped. Default: there are none. */
  readonly except?: Range | undefined
  /** What failed, in the order of time. */
  readonly failures: readonly unknown[]
}

/**
 * Drops the partitions in which every event may go, the oldest first. Few events that may not are moved into the default partition,
 * where retention goes on with them by rows; where there are many, or any is to be delivered, the partition is cleaned row by row.
 */
export class OldPartitions {
  readonly #store: PartitionStore
  readonly #rules: Rules
  readonly #archive: Archive | undefined
  /** By name: when one is looked through again, by `performance.now()`. */
  readonly #again = new Map<string, number>()
  /** How often in turn no partition could be made ahead. */
  #busy = 0

  constructor(store: PartitionStore, rules: Rules, archive?: Archive) {
    this.#store = store
    this.#rules = rules
    this.#archive = archive
  }

  /** Never rejects: what cannot be dropped is left to be cleaned row by row. */
  async run(surplus: Surplus, turn: DropTurn): Promise<DropOutcome> {
    const failures: unknown[] = []
    try {
      await this.#makeAhead(failures)
      const all = await this.#store.list()
      const left = await this.#dropAll(all, surplus, turn, failures)
      const [first, last] = [left[0], left.at(-1)]
      return { failures, except: first && last && { first: first.first, last: last.last } }
    } catch (error) {
      return { failures: [...failures, error] }
    }
  }

  /** A table that cannot be locked just now is tried at the next clean-up, and told when that goes on. */
  async #makeAhead(failures: unknown[]): Promise<void> {
    try {
      await this.#store.makeAhead()
      this.#busy = 0
    } catch (error) {
      this.#busy += isBusy(error) ? 1 : BUSY_TOLD
      if (this.#busy >= BUSY_TOLD) failures.push(error)
    }
  }

  /** Resolves with those that are not to be cleaned row by row. */
  async #dropAll(
    all: readonly OldPartition[],
    surplus: Surplus,
    turn: DropTurn,
    failures: unknown[],
  ): Promise<readonly OldPartition[]> {
    let left = all.filter(({ isDetached }) => !isDetached)
    for (const partition of all) {
      if (!partition.isDetached && !this.#isOver(partition, surplus)) return left
      const outcome = await this.#drop(partition, surplus, turn).catch((error: unknown) => {
        // One that cannot be locked is cleaned row by row until it can.
        if (!isBusy(error)) failures.push(error)
        return 'stays' as const
      })
      if (outcome === undefined) return left
      left = left.filter((one) => one !== partition)
      // Those behind it wait for it: only the oldest can be dropped. They are cleaned row by row meanwhile.
      if (outcome === 'stays') return left.filter((one) => !this.#isOver(one, surplus))
    }
    return left
  }

  /** Whether any event in it may go, as all are older than that. */
  #isOver({ age, last }: OldPartition, surplus: Surplus): boolean {
    const ages = leastAges(this.#rules)
    const places = lastPlaces(surplus)
    return (
      age >= 0 &&
      SETTLED.some((status) => age >= (ages[status] ?? Number.POSITIVE_INFINITY) || last <= (places[status] ?? ''))
    )
  }

  async #drop(partition: OldPartition, surplus: Surplus, turn: DropTurn): Promise<'gone' | 'stays' | undefined> {
    const { name } = partition
    if (partition.isDetached) {
      await this.#finish(partition, turn)
      return 'gone'
    }
    if (performance.now() < (this.#again.get(name) ?? 0)) return 'stays'
    const staying = (await this.#store.isAtRest(partition)) ? await this.#staying(partition, surplus, turn) : 'many'
    if (staying === undefined || turn.mayGoOn?.() === false) return undefined
    const outcome = staying === 'many' ? 'stays' : await this.#store.detach(partition, staying)
    if (outcome === 'stays') {
      this.#again.set(name, performance.now() + (staying === 'many' ? LOOK_AGAIN : 0))
      return 'stays'
    }
    this.#again.delete(name)
    // What may go of it the other worker knows, and the next clean-up.
    if (outcome === 'elsewhere') return 'gone'
    await this.#finish(partition, turn)
    return 'gone'
  }

  /** The settled events that may not go; undefined = it is to stop. */
  async #staying(
    partition: OldPartition,
    surplus: Surplus,
    { rest }: DropTurn,
  ): Promise<readonly string[] | 'many' | undefined> {
    const staying: string[] = []
    for (let after: string | null = null; ; ) {
      const start = performance.now()
      const { groups, last } = await this.#store.page(partition, after, PAGE)
      if (last === null) return staying
      // The youngest of a group, and the last, stand for all of it.
      if (groups.some((group) => isSettled(group) && !this.#mayGo(group, surplus))) {
        const events = await this.#store.rows(partition, after, last)
        staying.push(...events.filter((event) => isSettled(event) && !this.#mayGo(event, surplus)).map(({ id }) => id))
        if (staying.length > MOST_STAYING) return 'many'
      }
      after = last
      if (!(await rest(performance.now() - start))) return undefined
    }
  }

  #mayGo(
    row: Pick<SettledEvent, 'eventType' | 'age' | 'place' | 'counts'> & { readonly status: string },
    surplus: Surplus,
  ) {
    return mayGo(this.#rules, surplus, { ...row, status: row.status as SettledStatus })
  }

  /** One that was taken out changes no more: all of it goes, but what was settled after it was looked through, which is given back. */
  async #finish(partition: OldPartition, { onRemoved, rest, mayGoOn = () => true }: DropTurn): Promise<void> {
    let count = 0
    for (let after: string | null = null; ; ) {
      if (!mayGoOn()) return
      const start = performance.now()
      const { groups, last } = await this.#store.page(partition, after, PAGE)
      if (last === null) break
      if (this.#archive !== undefined || !groups.every(mayStillGo)) {
        const events = await this.#store.rows(partition, after, last)
        const going = events.filter(mayStillGo)
        await this.#archive?.keep(going, this.#store.contents(partition))
        const ids = new Set(going.map(({ id }) => id))
        const others = events.flatMap(({ id }) => (ids.has(id) ? [] : [id]))
        if (others.length > 0) await this.#store.giveBack(partition, others)
      }
      count += groups.filter(mayStillGo).reduce((sum, group) => sum + group.count, 0)
      await this.#store.forget(partition, after, last)
      after = last
      if (!(await rest(performance.now() - start))) return
    }
    if (mayGoOn() && (await this.#store.drop(partition)) && count > 0) onRemoved(count)
  }
}

function mayStillGo(row: { readonly status: string; readonly isLate: boolean }): boolean {
  return isSettled(row) && !row.isLate
}

function isSettled({ status }: { readonly status: string }): boolean {
  return (SETTLED as readonly string[]).includes(status)
}

function isBusy(error: unknown): boolean {
  return error instanceof BroadcasterError && error.code === 'STORE_BUSY'
}
