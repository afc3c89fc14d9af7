import fc from 'fast-check'
import type { AdminMove, Condition } from '../../src/store/admin-store.ts'

/** One event to publish. Keys and event ids are few, so that they meet. */
export interface EventSpec {
  readonly key: number | null
  readonly hash: number
  readonly eventId: number | null
  readonly backend: string
  readonly due: 'now' | 'past' | 'later' | 'delayed'
  readonly maxRetries: number
  /** The row id of an earlier event, used again. */
  readonly again: number | null
}

export type OutcomeKind = 'published' | 'retry' | 'failed' | 'park' | 'sending' | 'returned'

/** What became of the event with this number; values as far as the kind needs them. */
export interface OutcomeSpec {
  readonly kind: OutcomeKind
  readonly event: number
  readonly retryCount: number
  readonly later: boolean
  readonly flag: boolean
  readonly progress: boolean
  /** Of an attempt that began before the last move by an operator. */
  readonly stale: boolean
}

export type MoveKind =
  | 'requeue'
  | 'replay'
  | 'skip'
  | 'cancel'
  | 'undo'
  | 'markPublished'
  | 'markFailed'
  | 'incrementRetry'
  | 'reschedule'
  | 'delete'

/** One step. Events, workers and lanes are named by number, since each store gives them ids of its own. */
export type Operation =
  | { readonly op: 'publish'; readonly events: readonly EventSpec[]; readonly commit: boolean }
  | { readonly op: 'fetch'; readonly names: readonly string[]; readonly after: number | null; readonly limit: number }
  | { readonly op: 'unpark'; readonly names: readonly string[]; readonly lanes: readonly number[] }
  | { readonly op: 'reconcile'; readonly names: readonly string[]; readonly lanes: readonly number[] }
  | { readonly op: 'settle'; readonly worker: number; readonly outcomes: readonly OutcomeSpec[] }
  | { readonly op: 'settleInTransaction'; readonly worker: number; readonly outcome: OutcomeSpec | null }
  | { readonly op: 'purge'; readonly published: boolean; readonly failed: boolean; readonly cancelled: boolean }
  | { readonly op: 'enter'; readonly backends: readonly string[] }
  | { readonly op: 'renew'; readonly worker: number }
  | { readonly op: 'survey' }
  | { readonly op: 'claim'; readonly worker: number; readonly lanes: readonly number[] }
  | { readonly op: 'release'; readonly worker: number; readonly lanes: readonly number[] }
  | { readonly op: 'leave'; readonly worker: number }
  | {
      readonly op: 'breaker'
      readonly call: 'open' | 'tryProbe' | 'postpone' | 'close'
      readonly backend: string
      readonly later: boolean
    }
  /** `held`: with the holds that were asked for so far. */
  | {
      readonly op: 'move'
      readonly kind: MoveKind
      readonly events: readonly number[]
      readonly later: boolean
      readonly held: boolean
    }
  | { readonly op: 'correct'; readonly event: number; readonly held: boolean }
  | { readonly op: 'hold'; readonly events: readonly number[]; readonly over: boolean }
  | { readonly op: 'quiet'; readonly worker: number; readonly lanes: readonly number[] }
  | { readonly op: 'lift' }
  | {
      readonly op: 'list'
      readonly where: readonly Condition[]
      readonly order: readonly { readonly column: SortColumn; readonly descending: boolean }[]
      readonly limit: number | null
      readonly offset: number
    }
  | { readonly op: 'look' }

type SortColumn = 'status' | 'retryCount' | 'partitionKey' | 'eventId' | 'lane' | 'subject'

export const LANES = 4
/** All moves that can be undone are under this entry of the audit. */
export const ENTRY = 1
export const LATER = new Date('2500-01-01T00:00:00.000Z')
export const PAST = new Date('2001-01-01T00:00:00.000Z')

/** How each list begins: two workers, and all lanes owned by one of them. */
export const PRELUDE: readonly Operation[] = [
  { op: 'enter', backends: ['default', 'other'] },
  { op: 'enter', backends: ['default'] },
  { op: 'claim', worker: 0, lanes: [1, 2, 3] },
  { op: 'claim', worker: 1, lanes: [0] },
]

// Few, so that several steps meet on one event.
const number = fc.nat({ max: 11 })
const backend = fc.constantFrom('default', '', 'other')
const names = fc.constantFrom(['default', ''], ['other'], ['default'], ['other', ''])
const lanes = fc.uniqueArray(fc.nat({ max: LANES - 1 }), { minLength: 1, maxLength: LANES })
const orNull = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { nil: null, freq: 2 })

const eventSpec: fc.Arbitrary<EventSpec> = fc.record({
  key: orNull(fc.nat({ max: 4 })),
  hash: fc.nat({ max: 4_294_967_295 }),
  eventId: fc.option(fc.nat({ max: 6 }), { nil: null, freq: 1 }),
  backend,
  due: fc.constantFrom('now', 'now', 'now', 'past', 'later', 'delayed'),
  maxRetries: fc.integer({ min: 0, max: 3 }),
  again: fc.option(number, { nil: null, freq: 6 }),
})

const outcome: fc.Arbitrary<OutcomeSpec> = fc.record({
  kind: fc.constantFrom('published', 'retry', 'failed', 'park', 'sending', 'returned'),
  event: number,
  retryCount: fc.nat({ max: 3 }),
  later: fc.boolean(),
  flag: fc.boolean(),
  progress: fc.boolean(),
  stale: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
})

const text = fc.constantFrom('', 'a', 'k', 'K', '1', 'e', '%', '_', 'order', 'pend')
const column = fc.constantFrom<'partitionKey' | 'subject' | 'status' | 'eventId'>(
  'partitionKey',
  'subject',
  'status',
  'eventId',
)
const plainCondition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({
    column: fc.constantFrom<'retryCount' | 'maxRetries' | 'lane'>('retryCount', 'maxRetries', 'lane'),
    op: fc.constantFrom('eq', 'ne', 'lt', 'lte', 'gt', 'gte'),
    value: fc.nat({ max: 3 }),
  }),
  fc.record({
    column,
    op: fc.constantFrom('eq', 'ne', 'lt', 'gte'),
    value: fc.oneof(text, fc.constantFrom('k1', 'k2', 'e1', 'pending', 'failed')),
  }),
  fc.record({ column, op: fc.constantFrom('eq', 'ne'), value: fc.constant(null) }),
  fc.record({
    column: fc.constantFrom<'scheduledAt' | 'availableAt' | 'publishedAt'>('scheduledAt', 'availableAt', 'publishedAt'),
    op: fc.constantFrom('eq', 'ne', 'lt', 'lte', 'gt', 'gte'),
    value: fc.constantFrom(new Date('2002-01-01T00:00:00Z'), new Date('2400-01-01T00:00:00Z')),
  }),
  fc.record({
    column,
    op: fc.constantFrom('in', 'notIn'),
    values: fc.array(fc.constantFrom('k1', 'k2', 'e3', 'pending', 'retry', 'failed', null), { maxLength: 3 }),
  }),
  fc.record({ column, op: fc.constantFrom('contains', 'icontains', 'startsWith', 'endsWith', 'iexact'), value: text }),
  fc.record({ column, op: fc.constant('isNull'), value: fc.boolean() }),
)
const condition: fc.Arbitrary<Condition> = fc.oneof(
  { weight: 5, arbitrary: plainCondition },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('any'),
      groups: fc.array(fc.array(plainCondition, { maxLength: 2 }), { maxLength: 3 }),
    }),
  },
)

const someEvents = fc.uniqueArray(number, { minLength: 1, maxLength: 6 })
const worker = fc.nat({ max: 3 })

/** A step; publishing, claiming and settling more often than the rest, so that something is there to look at. */
export const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('publish'),
      events: fc.array(eventSpec, { minLength: 1, maxLength: 6 }),
      commit: fc.integer({ min: 0, max: 4 }).map((n) => n > 0),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('fetch'),
      names,
      after: orNull(number),
      limit: fc.integer({ min: 1, max: 5 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('unpark'), names, lanes }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('reconcile'), names, lanes }) },
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constant('settle'),
      worker,
      outcomes: fc.uniqueArray(outcome, { minLength: 1, maxLength: 8, selector: (each) => each.event }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('settleInTransaction'), worker, outcome: orNull(outcome) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('purge'),
      published: fc.boolean(),
      failed: fc.boolean(),
      cancelled: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('enter'),
      backends: fc.uniqueArray(fc.constantFrom('default', 'other'), { minLength: 1 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('renew'), worker }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('survey') }) },
  { weight: 6, arbitrary: fc.record({ op: fc.constant('claim'), worker, lanes }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('release'), worker, lanes }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('leave'), worker }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('breaker'),
      call: fc.constantFrom('open', 'tryProbe', 'postpone', 'close'),
      backend: fc.constantFrom('default', 'other'),
      later: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant('move'),
      kind: fc.constantFrom(
        'requeue',
        'replay',
        'skip',
        'cancel',
        'undo',
        'markPublished',
        'markFailed',
        'incrementRetry',
        'reschedule',
        'delete',
      ),
      events: someEvents,
      later: fc.boolean(),
      held: fc.integer({ min: 0, max: 3 }).map((n) => n > 0),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('correct'), event: number, held: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('hold'), events: someEvents, over: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('quiet'), worker, lanes }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('lift') }) },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('list'),
      where: fc.array(condition, { maxLength: 3 }),
      order: fc.array(
        fc.record({
          column: fc.constantFrom<SortColumn>('status', 'retryCount', 'partitionKey', 'eventId', 'lane', 'subject'),
          descending: fc.boolean(),
        }),
        { maxLength: 2 },
      ),
      limit: orNull(fc.nat({ max: 5 })),
      offset: fc.nat({ max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('look') }) },
)

/** The move with its values. */
export function moveOf(kind: MoveKind, later: boolean): AdminMove {
  switch (kind) {
    case 'markFailed':
      return { kind, error: 'by hand' }
    case 'incrementRetry':
      return { kind, error: 'by hand', delay: later ? 3_600_000 : 0 }
    case 'reschedule':
      return { kind, at: later ? LATER : PAST }
    case 'delete':
      return { kind, published: later }
    case 'undo':
      return { kind, entry: ENTRY }
    default:
      return { kind }
  }
}
