import { BroadcasterError, DoesNotExistError, MultipleObjectsReturnedError } from '../errors.ts'
import { type Problem, showValue, throwProblems } from '../foundation/problem.ts'
import { COLUMN_NAMES, type ColumnName, DEFERRED_IN_LISTS, type FilterColumn } from '../record/columns.ts'
import { OutboxEvent } from '../record/outbox-event.ts'
import type { RecordFilter, RecordSource } from '../record/record-source.ts'
import type { AdminStore, Condition, Query } from '../store/admin-store.ts'
import { columnProblem, compileFilter } from './compile-filter.ts'
import type { Defined } from './defined.ts'
import { negate } from './negate.ts'
import { notAColumn } from './not-a-column.ts'

/** A column to order by; `-` before it means descending. */
export type OrderTerm = FilterColumn | `-${FilterColumn}`

/** How a query is walked through. */
export interface IterateOptions {
  /** How many are read at a time. Default: 500. */
  readonly batch?: number | undefined
}

interface Plan {
  readonly where: readonly Condition[]
  readonly order: Query['order']
  readonly limit: number | null
  readonly offset: number
  /** Null = the default: all columns for one event, all but the large ones for a list. */
  readonly columns: readonly ColumnName[] | null
}

const EVERYTHING: Plan = { where: [], order: [], limit: null, offset: 0, columns: null }
const LIST_COLUMNS = COLUMN_NAMES.filter((name) => !(DEFERRED_IN_LISTS as readonly ColumnName[]).includes(name))

/**
 * A selection of outbox events. Immutable: each step returns a new one, and nothing is read before `all`, `first`,
 * `count` and the like. A list leaves `data`, `dataBinary`, `attempts` and `progress` out unless asked to `include`
 * them; `await event.load('data')` reads them later.
 *
 * @example
 * const failed = await broadcaster.events.filter({ status: 'failed' }).orderBy('-updatedAt').limit(20).all()
 */
export class EventQuery {
  readonly #admin: AdminStore
  readonly #records: RecordSource
  readonly #plan: Plan

  constructor(admin: AdminStore, records: RecordSource, plan: Plan = EVERYTHING) {
    this.#admin = admin
    this.#records = records
    this.#plan = plan
  }

  /** Only those that match this filter too. Throws `INVALID_OPTION` for a filter with mistakes. */
  filter<Filter extends RecordFilter>(filter: Filter & Defined<Filter>): EventQuery {
    return this.where(compileFilter(filter))
  }

  /** Only those that do not match the whole filter. Throws `INVALID_OPTION` for text comparisons such as `contains`. */
  exclude<Filter extends RecordFilter>(filter: Filter & Defined<Filter>): EventQuery {
    return this.where([negate(compileFilter(filter))])
  }

  /**
   * Only those that meet compiled conditions, for what a filter cannot say.
   * @internal
   */
  where(conditions: readonly Condition[]): EventQuery {
    return this.#with({ where: [...this.#plan.where, ...conditions] })
  }

  /** Orders by these columns, first to last, in place of an earlier order; ties by id. Default: by id, the order of creation. */
  orderBy(...terms: readonly OrderTerm[]): EventQuery {
    const problems: Problem[] = []
    const order = terms.map((term) => {
      const descending = term.startsWith('-')
      const name = descending ? term.slice(1) : term
      const message = columnProblem(name)
      if (message !== undefined) problems.push({ code: 'INVALID_OPTION', field: name, value: term, message })
      return { column: name as FilterColumn, descending }
    })
    throwProblems('the order', problems)
    return this.#with({ order })
  }

  /** At most this many. */
  limit(limit: number): EventQuery {
    return this.#with({ limit: whole('limit', limit, 0) })
  }

  /** Without the first ones, this many. The database still reads past them: `iterate` does not. */
  offset(offset: number): EventQuery {
    return this.#with({ offset: whole('offset', offset, 0) })
  }

  /** Leaves these columns out too; without names, none is left out. */
  defer(...names: readonly ColumnName[]): EventQuery {
    checkColumns(names)
    const columns = names.length === 0 ? COLUMN_NAMES : (this.#plan.columns ?? LIST_COLUMNS)
    return this.#with({ columns: columns.filter((name) => name === 'id' || !names.includes(name)) })
  }

  /** Reads these columns only, and `id`. */
  only(...names: readonly ColumnName[]): EventQuery {
    return this.#with({ columns: withData(['id', ...names]) })
  }

  /** Reads these columns as well, such as `data`. */
  include(...names: readonly ColumnName[]): EventQuery {
    return this.#with({ columns: withData([...(this.#plan.columns ?? LIST_COLUMNS), ...names]) })
  }

  /** All of them, as a list. For more than fit into memory use `iterate`. */
  async all(): Promise<readonly OutboxEvent[]> {
    return this.#list({}, LIST_COLUMNS)
  }

  /** The first in order, or null. */
  async first(): Promise<OutboxEvent | null> {
    const [first] = await this.#list({ limit: Math.min(1, this.#plan.limit ?? 1) }, COLUMN_NAMES)
    return first ?? null
  }

  /** The last in order, or null. Throws `INVALID_OPTION` after `limit` or `offset`. */
  async last(): Promise<OutboxEvent | null> {
    this.#refuseSlice('last')
    const { order } = this.#plan
    const named: Query['order'] = order.length > 0 ? order : [{ column: 'id', descending: false }]
    const reversed = named.map(({ column, descending }) => ({ column, descending: !descending }))
    const [last] = await this.#list({ order: reversed, limit: 1 }, COLUMN_NAMES)
    return last ?? null
  }

  /** The only one. Throws `DoesNotExist` or `MultipleObjectsReturned`. */
  async get<Filter extends RecordFilter>(filter?: Filter & Defined<Filter>): Promise<OutboxEvent> {
    const found = await this.where(compileFilter(filter ?? {})).#list({ limit: 2 }, COLUMN_NAMES)
    const [only] = found
    const sought = showValue(filter ?? {})
    if (only === undefined) throw new DoesNotExistError(`no outbox event matches ${sought}`, { value: filter })
    if (found.length === 1) return only
    throw new MultipleObjectsReturnedError(
      `more than one outbox event matches ${sought}; narrow the filter or use first()`,
      {
        value: filter,
      },
    )
  }

  /** Whether there is any. */
  async exists(): Promise<boolean> {
    return (
      (await this.#admin.list({ ...this.#plan, limit: Math.min(1, this.#plan.limit ?? 1), columns: ['id'] })).length > 0
    )
  }

  /** How many there are, `limit` and `offset` respected. Counts in the database, which reads all that match, up to a limit. */
  async count(): Promise<number> {
    const { where, limit, offset } = this.#plan
    const most = limit === null ? undefined : offset + limit
    return Math.max(0, (await this.#admin.count(where, most)) - offset)
  }

  /**
   * All of them one after the other, in batches by primary key: what is inserted or changed meanwhile neither
   * repeats nor hides another. Throws `INVALID_OPTION` after `offset` or another order than by `id`.
   */
  async *iterate(options: IterateOptions = {}): AsyncGenerator<OutboxEvent, void, undefined> {
    const batch = whole('batch', options.batch ?? 500, 1)
    const [by, ...more] = this.#plan.order
    if (this.#plan.offset > 0 || more.length > 0 || (by !== undefined && by.column !== 'id')) {
      throw new BroadcasterError(
        'INVALID_OPTION',
        'iterate goes by id; use it without offset and without another order',
        {
          field: 'orderBy',
        },
      )
    }
    const op = by?.descending ? 'lt' : 'gt'
    let left = this.#plan.limit ?? Number.POSITIVE_INFINITY
    let after: Condition[] = []
    while (left > 0) {
      const limit = Math.min(batch, left)
      const found = await this.where(after).#list({ limit }, LIST_COLUMNS)
      yield* found
      const last = found.at(-1)
      if (last === undefined || found.length < limit) return
      left -= found.length
      after = [{ column: 'id', op, value: last.id }]
    }
  }

  #with(change: Partial<Plan>): EventQuery {
    return new EventQuery(this.#admin, this.#records, { ...this.#plan, ...change })
  }

  async #list(change: Partial<Plan>, columns: readonly ColumnName[]): Promise<readonly OutboxEvent[]> {
    const plan = { ...this.#plan, ...change }
    const rows = await this.#admin.list({ ...plan, columns: plan.columns ?? columns })
    return rows.map((row) => new OutboxEvent(row, this.#records))
  }

  #refuseSlice(method: string): void {
    if (this.#plan.limit === null && this.#plan.offset === 0) return
    throw new BroadcasterError(
      'INVALID_OPTION',
      `${method}() cannot follow limit or offset; reverse the order instead`,
      {
        field: 'limit',
      },
    )
  }
}

/** `data` reads binary data too, so the two columns go together. */
export function withData(names: readonly ColumnName[]): readonly ColumnName[] {
  checkColumns(names)
  const wanted = new Set<ColumnName>(names)
  if (wanted.has('data')) wanted.add('dataBinary')
  return COLUMN_NAMES.filter((name) => wanted.has(name))
}

function checkColumns(names: readonly string[]): void {
  const problems = names
    .filter((name) => !(COLUMN_NAMES as readonly string[]).includes(name))
    .map((name): Problem => {
      const message = notAColumn(name, COLUMN_NAMES)
      return { code: 'INVALID_OPTION', field: name, value: name, message }
    })
  throwProblems('the list of columns', problems)
}

function whole(field: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value
  throw new BroadcasterError(
    'INVALID_OPTION',
    `${field} is ${showValue(value)}; give a whole number, ${least} or more`,
    {
      field,
      value,
    },
  )
}
